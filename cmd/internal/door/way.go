package door

import "github.com/imgsend/imgsend/peer"

// A Way is what visitors come for.
type Way struct {
	Right   peer.Rights // of a saved peer that may come
	Offers  bool        // the host offers images, and takes none
	Program string      // which waits here: "imgrecv"
	Command string      // what a visitor runs, up to where it names this host
	Toward  string      // the first word of where images go: "from" a new host
	Does    string      // what a visitor does: "send"
	Once    string      // is said of one that may from now on
	Anybody string      // is said where everybody may
}

// The two ways.
var (
	Send = Way{Right: peer.MaySend, Program: "imgrecv", Command: "imgsend IMAGE... --to", Toward: "from", Does: "send",
		Once: "it may send images here", Anybody: "--yes accepts images from anybody who reaches this port"}
	Fetch = Way{Right: peer.MayFetch, Offers: true, Program: "imgsend", Command: "imgrecv --from", Toward: "for", Does: "fetch",
		Once: "it may fetch from here", Anybody: "--yes gives what is offered to anybody who reaches this port"}
)
