package wire_test

import (
	"fmt"
	"testing"

	"github.com/imgsend/imgsend/transfer"
)

// manyImages are more images than an older receiver takes, the first of which has more
// names.
func manyImages() []*memImage {
	var images []*memImage
	for i := range 300 {
		images = append(images, newImage(fmt.Sprintf("a:%d", i), false, random(1, 1000)))
	}
	for i := range 300 {
		images[0].Refs = append(images[0].Refs, fmt.Sprintf("b:%d", i))
	}
	return images
}

// TestMany sends many images, in one offer.
func TestMany(t *testing.T) {
	checkLeaks(t)
	dst := newSink()
	r := transferRun{src: newSource(manyImages()...), dst: dst}
	r.do(t)
	if r.sendErr != nil || r.recvErr != nil {
		t.Fatalf("sender: %v, receiver: %v", r.sendErr, r.recvErr)
	}
	if dst.Rounds != 1 || len(dst.Names) != 600 || len(dst.Images) != r.sendRep.Images {
		t.Errorf("%d rounds, %d names, %d images, %d reported", dst.Rounds, len(dst.Names), len(dst.Images), r.sendRep.Images)
	}
}

// TestManyForOld sends more than a receiver takes that does not know this feature: it
// is not even offered.
func TestManyForOld(t *testing.T) {
	checkLeaks(t)
	all := manyImages()
	for name, images := range map[string][]*memImage{"images": all[1:], "names": all[:1]} {
		t.Run(name, func(t *testing.T) {
			p := newTap(t, nil, onFirst(tHello, replaced(`["deciding","many"]`, `["deciding"]`)))
			dst := newSink()
			r := transferRun{src: newSource(images...), dst: dst, out: p.out, in: p.in}
			r.do(t)
			wantErr(t, "sender", r.sendErr, transfer.KindUsage, false, "imgrecv test takes at most 256 images at once, and 256 names for each")
			if dst.Rounds != 0 {
				t.Errorf("%d rounds", dst.Rounds)
			}
		})
	}
}
