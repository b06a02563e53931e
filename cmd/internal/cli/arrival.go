package cli

import "github.com/imgsend/imgsend/transfer"

// reportArrival reports one image that is verified and named on the host where
// (a name, or "here").
func reportArrival(v *Voice, a transfer.Arrival, whole bool, where string) {
	id := a.New.String()
	if len(a.Names) == 0 {
		v.Result("-", id)
		v.Event(ImageEvent{Event: "image", ID: id, Verified: true, Whole: whole})
	}
	for _, n := range a.Names {
		if n.Replaced != "" {
			v.Sayf("%s was %s %s until now", n.Ref, Short(n.Replaced), where)
		}
		v.Result(n.Ref, id)
		v.Event(ImageEvent{Event: "image", Ref: n.Ref, ID: id, Verified: true, Whole: whole, Replaced: n.Replaced.String()})
	}
}
