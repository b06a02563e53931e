package reach

import "github.com/imgsend/imgsend/peer"

// A Way is the direction in which images go, as the program sees it that dials.
type Way struct {
	Flag    string // names the other host: "--to"
	Aim     string // says what that is for: "send it to"
	Waiting string // what waits there: "imgrecv"
	Code    string // what shows a code there: "imgrecv --code"
	Family  string // of the protocols that are spoken
	Offers  bool   // the host there offers images, and takes none
}

// The two ways.
var (
	To   = Way{Flag: "--to", Aim: "say where to send it with", Waiting: "imgrecv", Code: "imgrecv --code", Family: peer.ProtocolFamily}
	From = Way{Flag: "--from", Aim: "say where to fetch it from with", Waiting: "imgsend --wait", Code: "imgsend --wait --code", Family: peer.FetchFamily, Offers: true}
)
