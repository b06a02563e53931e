package reach

import "github.com/imgsend/imgsend/peer"

// A Way is the direction of a transfer as the dialing program sees it, with the words for it.
type Way struct {
	Flag    string // the flag that names the other host: "--to"
	Aim     string // asks the user for that flag: "say where to send it with"
	Waiting string // the program that waits on the other host: "imgrecv"
	Code    string // the command that shows a code there: "imgrecv --code"
	Family  string // the protocol family to speak
	Offers  bool   // the other host offers images and receives none
}

// To is the way of a program that sends images to the other host, From of one that fetches
// images from it.
var (
	To   = Way{Flag: "--to", Aim: "say where to send it with", Waiting: "imgrecv", Code: "imgrecv --code", Family: peer.ProtocolFamily}
	From = Way{Flag: "--from", Aim: "say where to fetch it from with", Waiting: "imgsend --wait", Code: "imgsend --wait --code", Family: peer.FetchFamily, Offers: true}
)
