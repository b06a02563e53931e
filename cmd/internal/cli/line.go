package cli

import (
	"github.com/imgsend/imgsend/transfer/wire"
)

// What is done about a lost line.
const (
	Redialing = "trying again"
	Holding   = "holding the transfer"
)

// Line tells people that the line to the other side is lost, with what is done about
// it, or that there is another one.
func (v *Voice) Line(e wire.LineEvent, doing string) {
	j := LineEvent{Event: "line", Lost: e.Err != nil, Seconds: e.For.Seconds()}
	if e.Err != nil {
		j.Message = e.Err.Error()
		v.Sayf("line lost: %v; %s for up to %s", e.Err, doing, Duration(e.For))
	} else {
		v.Sayf("the line is back after %s", Duration(e.For))
	}
	v.Event(j)
}
