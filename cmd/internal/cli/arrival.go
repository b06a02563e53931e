package cli

import "github.com/imgsend/imgsend/transfer"

// arrived reports one image that is verified and named.
func (t *Transfer) arrived(a transfer.Arrival, whole bool) {
	v, id := t.Voice, a.New.String()
	e := ImageEvent{Event: "image", From: t.From.ID, ID: id, Verified: true, Whole: whole}
	if len(a.Names) == 0 {
		v.Result("-", id)
		v.Event(e)
	}
	for _, n := range a.Names {
		if n.Replaced != "" {
			v.Sayf("%s%s was %s %s until now", t.From.Label(), n.Ref, Short(n.Replaced), t.Side)
		}
		v.Result(n.Ref, id)
		e.Ref, e.Replaced = n.Ref, n.Replaced.String()
		v.Event(e)
	}
}
