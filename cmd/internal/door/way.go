package door

import "github.com/imgsend/imgsend/peer"

// A Way is the direction of the transfers that visitors connect for, with the words for it.
type Way struct {
	Right   peer.Rights // the right that a saved peer needs
	Offers  bool        // this host offers images and receives none
	Program string      // the program that waits on this host: "imgrecv"
	Command string      // the visitor's command line, up to the name of this host
	Toward  string      // the preposition in "from a new host" or "for a new host"
	Does    string      // the verb for what a visitor does: "send"
	Once    string      // the message about a peer that has just been given the right
	Anybody string      // the warning if every peer may
}

// Send is the way of visitors that send images to this host, Fetch of those that fetch images
// from it.
var (
	Send = Way{Right: peer.MaySend, Program: "imgrecv", Command: "imgsend IMAGE... --to", Toward: "from", Does: "send",
		Once: "it may send images here", Anybody: "--yes accepts images from anybody who reaches this port"}
	Fetch = Way{Right: peer.MayFetch, Offers: true, Program: "imgsend", Command: "imgrecv --from", Toward: "for", Does: "fetch",
		Once: "it may fetch from here", Anybody: "--yes gives what is offered to anybody who reaches this port"}
)
