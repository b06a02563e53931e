package cli

import (
	"github.com/imgsend/imgsend/transfer/wire"
)

// The reactions to a lost line.
const (
	Redialing = "trying again"
	Holding   = "holding the transfer"
)

// Line tells people that the line to the other side is lost, with what is done about
// it, or that there is another one. from is whose line it is.
func (v *Voice) Line(e wire.LineEvent, doing string, from Sender) {
	j := LineEvent{Event: "line", From: from.ID, Lost: e.Err != nil, Seconds: e.For.Seconds()}
	if e.Err != nil {
		j.Message = e.Err.Error()
		v.Sayf("%sline lost: %v; %s for up to %s", from.Label(), e.Err, doing, Duration(e.For))
	} else {
		v.Sayf("%sthe line is back after %s", from.Label(), Duration(e.For))
	}
	v.Event(j)
}
