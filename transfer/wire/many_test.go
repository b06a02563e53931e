package wire_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
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

// names returns names of so many bytes.
func names(n, length int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%0*d:1", length-2, i)
	}
	return out
}

// A renaming sink gives an image one name more.
type renaming struct{ *memSink }

func (s renaming) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	out, err := s.memSink.Commit(ctx, x)
	if err == nil {
		out.Images[0].Names = append(out.Images[0].Names, transfer.Name{Ref: "one-more:1"})
	}
	return out, err
}

// TestMostNames sends an image under as many names as it can have, each of which is
// another image at the receiver, whose user adds one: the sender can read the result.
func TestMostNames(t *testing.T) {
	checkLeaks(t)
	m, dst := newImage("a:1", false, random(1, 1000)), newSink()
	m.Refs = names(transfer.MaxRefs, 200)
	for _, ref := range m.Refs {
		dst.Names[ref] = digest.FromString("old")
	}
	var arrived transfer.Arrival
	r := transferRun{src: newSource(m), dst: renaming{dst}}
	r.sendOpts.OnArrival = func(_ *transfer.Image, a transfer.Arrival, _ bool) { arrived = a }
	r.do(t)
	if r.sendErr != nil || r.recvErr != nil {
		t.Fatalf("sender: %v, receiver: %v", r.sendErr, r.recvErr)
	}
	if len(arrived.Names) != transfer.MaxRefs+1 || arrived.Names[0].Replaced == "" {
		t.Errorf("%d names arrived", len(arrived.Names))
	}
}

// tooMany are offers of which the sender could not read the result, or the receiver could
// not make one.
func tooMany() map[string]struct {
	images []*memImage
	text   string
} {
	one := newImage("a:1", false, random(1, 1000))
	one.Refs = names(transfer.MaxRefs+1, 20)
	several := func(n, length int) []*memImage {
		var out []*memImage
		for i := range 8 {
			m := newImage(fmt.Sprintf("a:%d", i), false)
			m.Refs = names(n, length)
			out = append(out, m)
		}
		return out
	}
	all := several(transfer.MaxRefs, 10)
	all[0].Refs = append(all[0].Refs[1:], "b:1")
	all = append(all, newImage("c:1", false, random(2, 1000)))
	return map[string]struct {
		images []*memImage
		text   string
	}{
		"of one image": {[]*memImage{one}, "with 4097 names, over the limit of 4096"},
		"in all":       {all, "9 images with more than 32768 layers and names in all"},
		"long":         {several(transfer.MaxRefs, 180), "too many names: "},
	}
}

// TestTooManyNames offers too many names: the sender says so before it does.
func TestTooManyNames(t *testing.T) {
	checkLeaks(t)
	for name, test := range tooMany() {
		t.Run(name, func(t *testing.T) {
			dst := newSink()
			r := transferRun{src: newSource(test.images...), dst: dst}
			r.do(t)
			wantErr(t, "sender", r.sendErr, transfer.KindUsage, false, test.text)
			wantErr(t, "receiver", r.recvErr, transfer.KindUsage, true, test.text)
			if dst.Rounds != 0 {
				t.Errorf("%d rounds", dst.Rounds)
			}
		})
	}
}

// TestTooManyNamesOffered has a sender offer too many names all the same: the receiver
// refuses them in clear words.
func TestTooManyNamesOffered(t *testing.T) {
	checkLeaks(t)
	all := tooMany()
	all["of one image, more"] = all["of one image"]
	for name, test := range all {
		t.Run(name, func(t *testing.T) {
			o := transfer.Offer{}
			for _, m := range test.images {
				o.Images = append(o.Images, m.Image)
			}
			if name == "of one image, more" {
				o.Images[0].Refs = append(o.Images[0].Refs, "b:1")
				test.text = "offer with a list of more than 4097"
			}
			b, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			p := newTap(t, onFirst(tOffer, instead(wireFrame{tOffer, b}.bytes()...)), nil)
			dst := newSink()
			r := transferRun{src: newSource(newImage("a:1", false)), dst: dst, out: p.out, in: p.in}
			r.do(t)
			wantErr(t, "sender", r.sendErr, transfer.KindRefused, true, test.text)
			wantErr(t, "receiver", r.recvErr, transfer.KindRefused, false, test.text)
			if dst.Rounds != 0 {
				t.Errorf("%d rounds", dst.Rounds)
			}
		})
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
