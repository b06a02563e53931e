package wire

import (
	"fmt"

	"github.com/imgsend/imgsend/transfer"
)

// resultRoom is what a result may have in bytes beyond what [answerable] expects: the
// receiver's user may have renamed an image.
const resultRoom = 64 << 10

// answerable reports an offer of which the result could be too long for a frame. The
// result lists each name with the image that had it before.
func answerable(o *transfer.Offer) error {
	const image, name = len(`{"id":"","new":"","names":[]},`), len(`{"ref":"","replaced":""},`)
	n := 0
	for i := range o.Images {
		m := &o.Images[i]
		n += image + 2*len(m.ID)
		for _, ref := range m.Refs { // a name needs no escapes
			n += name + len(ref) + len(m.ID)
		}
	}
	if n > maxLong-resultRoom {
		return fmt.Errorf("too many names: %d bytes to tell what became of them, over the limit of %d", n, maxLong-resultRoom)
	}
	return nil
}

// refused is the error for an offer that is too large.
func refused(err error) error {
	return &transfer.Error{Kind: transfer.KindRefused, Err: err, Hint: transfer.SeveralGoes}
}
