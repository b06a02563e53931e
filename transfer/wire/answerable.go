package wire

import (
	"fmt"

	"github.com/imgsend/imgsend/transfer"
)

// resultRoom is the number of bytes that [answerable] leaves for what it cannot foresee
// in a result: the receiver's user may have renamed an image.
const resultRoom = 64 << 10

// answerable returns an error if the result of an offer could be too long for a frame.
// The result lists each name with the ID of the image that had the name before.
func answerable(o *transfer.Offer) error {
	const image, name = len(`{"id":"","new":"","names":[]},`), len(`{"ref":"","replaced":""},`)
	n := 0
	for i := range o.Images {
		m := &o.Images[i]
		n += image + 2*len(m.ID)
		for _, ref := range m.Refs { // names contain nothing that JSON escapes
			n += name + len(ref) + len(m.ID)
		}
	}
	if n > maxLong-resultRoom {
		return fmt.Errorf("too many names: %d bytes to tell what became of them, over the limit of %d", n, maxLong-resultRoom)
	}
	return nil
}

// refused returns the error for an offer that is too large.
func refused(err error) error {
	return &transfer.Error{Kind: transfer.KindRefused, Err: err, Hint: transfer.SeveralGoes}
}
