package wire_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// blobFrame returns the frame that starts a blob.
func blobFrame(d digest.Digest, media string, size int64) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(size))
	b = append(append(b, byte(len(d))), d...)
	return wireFrame{tBlob, append(append(b, byte(len(media))), media...)}.bytes()
}

// TestMoreThanOffered has a sender send more than it offered. It is refused
// before the sink sees anything of it.
func TestMoreThanOffered(t *testing.T) {
	const tar = ocispec.MediaTypeImageLayer
	other := digest.FromString("not offered")
	exact := newImage("a:1", false, random(1, 1000))
	exact.Layers[0].Exact, exact.Extra = true, 500
	vague := newImage("a:1", false, random(1, 1000))
	for _, test := range []struct {
		name  string
		image *memImage
		head  []byte
		text  string
	}{
		{"exact layer", exact, blobFrame(exact.Layers[0].Digest, tar, 1001), "of 1001 bytes was offered with 1000"},
		{"smaller exact layer", exact, blobFrame(exact.Layers[0].Digest, tar, 999), "of 999 bytes was offered with 1000"},
		{"layer", vague, blobFrame(vague.Layers[0].Digest, tar, 3<<30), "more than was offered"},
		{"barely", vague, blobFrame(vague.Layers[0].Digest, tar, 4*1000+128<<20+1), "more than was offered"},
		{"another blob", exact, blobFrame(other, tar, 1000+500+16<<20+1), "more than was offered"},
		{"beyond all", vague, blobFrame(other, tar, 1<<62), "more than was offered"},
		{"config", exact, blobFrame(exact.Config, "", 4<<20+1), "over the limit of 4194304"},
		{"config by its type", exact, blobFrame(other, ocispec.MediaTypeImageConfig, 4<<20+1), "over the limit of 4194304"},
		{"manifest by its type", exact, blobFrame(other, "application/vnd.docker.distribution.manifest.v2+json", 4<<20+1), "over the limit of 4194304"},
		{"index by its type", exact, blobFrame(other, ocispec.MediaTypeImageIndex, 4<<20+1), "over the limit of 4194304"},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkLeaks(t)
			stream := newPuppet(t, func(p *puppet) {
				p.hello()
				p.json(tOffer, transfer.Offer{Images: []transfer.Image{test.image.Image}})
				p.wait(tAnswer)
				p.say(test.head)
				p.wait(tError)
			})
			rcv, err := wire.NewReceiver(t.Context(), stream, wire.Hello{}, wire.StreamOptions{})
			if err != nil {
				t.Fatal(err)
			}
			dst := newSink()
			_, err = transfer.Copy(t.Context(), rcv, dst, transfer.Options{})
			kind := transfer.KindBroken
			if strings.HasPrefix(test.text, "over the limit") {
				kind = transfer.KindRefused
			}
			wantErr(t, "receiver", err, kind, false, test.text)
			wantNothing(t, dst)
			if dst.Puts != 0 {
				t.Errorf("%d blobs reached the sink", dst.Puts)
			}
		})
	}
}

// TestBlobForEver has a sender send the same blob again and again.
func TestBlobForEver(t *testing.T) {
	checkLeaks(t)
	data := random(1, block)
	m := newImage("a:1", false, data)
	m.Layers[0].Exact = true
	var sent atomic.Int64
	stream := newPuppet(t, func(p *puppet) {
		p.hello()
		p.json(tOffer, transfer.Offer{Images: []transfer.Image{m.Image}})
		p.wait(tAnswer)
		// The credits that came before the answer have not been counted.
		for credit := 16; sent.Load() < 1000; sent.Add(1) {
			for credit < 3 {
				f := p.wait(tCredit)
				if f.t == 0 {
					return
				}
				credit += int(binary.BigEndian.Uint32(f.body))
			}
			credit -= 3
			p.say(blobFrame(m.Layers[0].Digest, "", block))
			p.say(dataBlock(0, block, data))
			p.say(wireFrame{tBlobEnd, nil}.bytes())
		}
	})
	rcv, err := wire.NewReceiver(t.Context(), stream, wire.Hello{}, wire.StreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dst := newSink()
	_, err = transfer.Copy(t.Context(), rcv, dst, transfer.Options{})
	wantErr(t, "receiver", err, transfer.KindBroken, false, "more than was offered")
	if dst.Puts != 1 || sent.Load() > 40 {
		t.Errorf("%d blobs sent, %d reached the sink", sent.Load(), dst.Puts)
	}
}

// TestMaxSize has a receiver take no more than it has room for.
func TestMaxSize(t *testing.T) {
	base, app := random(1, 100_000), random(2, 50_000)
	one := newImage("a:1", false, base, app)
	two := newImage("b:1", false, random(3, 60_000))
	vague := newImage("a:1", false, base)
	vague.Layers[0].Size = 10
	rest := int64(len(one.Blobs[one.Config]) + len(two.Blobs[two.Config]))
	for _, test := range []struct {
		name   string
		images []*memImage
		have   []*memImage
		set    func(*memSink)
		max    int64
		text   string // of the refusal; empty: it fits
		puts   int
	}{
		{name: "no limit", images: []*memImage{one}, puts: 3},
		{name: "fits", images: []*memImage{one, two}, max: 210_000 + rest, puts: 5},
		{name: "too much", images: []*memImage{one}, max: 149_999, text: "the images need about 150 kB, and there is room for 150 kB"},
		{name: "half of it is there", images: []*memImage{one}, have: []*memImage{vague}, max: 60_000, puts: 2},
		{name: "two", images: []*memImage{one, two}, max: 160_000, text: "the images need about 210 kB"},
		{name: "more than it said", images: []*memImage{vague}, max: 50_000, text: "more comes than was offered, and there is room for 50 kB", puts: 1},
		{name: "again", images: []*memImage{one}, have: []*memImage{vague}, set: func(s *memSink) { s.Vanish = map[digest.Digest]bool{digest.FromBytes(base): true} }, max: 151_000, puts: 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkLeaks(t)
			dst := newSink(test.have...)
			if test.set != nil {
				test.set(dst)
			}
			asked := 0
			r := transferRun{src: newSource(test.images...), dst: dst}
			r.recvOpts.MaxSize = func(context.Context) (int64, error) { asked++; return test.max, nil }
			r.do(t)
			if test.text == "" {
				if r.sendErr != nil || r.recvErr != nil {
					t.Errorf("sender: %v, receiver: %v", r.sendErr, r.recvErr)
				}
			} else {
				wantErr(t, "sender", r.sendErr, transfer.KindRefused, true, test.text)
				wantErr(t, "receiver", r.recvErr, transfer.KindRefused, false, test.text)
				wantNothing(t, dst)
			}
			if dst.Puts != test.puts || asked != 1 {
				t.Errorf("%d blobs reached the sink, want %d; asked %d times", dst.Puts, test.puts, asked)
			}
		})
	}
	t.Run("not known", func(t *testing.T) {
		_, err := transfer.Copy(t.Context(), newSource(one), newSink(), transfer.Options{
			MaxSize: func(context.Context) (int64, error) { return 0, errors.New("no such disk") }})
		wantErr(t, "copy", err, transfer.KindOther, false, "no such disk")
	})
}

// TestOffersForEver has a sender offer the same images again and again.
func TestOffersForEver(t *testing.T) {
	m, vanishing := newImage("a:1", false), newImage("a:1", false, []byte("a layer"))
	for _, test := range []struct {
		name  string
		image *memImage
		dst   func(*memSink)
		text  string
	}{
		{"whole", m, func(s *memSink) { s.Hold(m) }, "is offered after everything has arrived"},
		{"never full", vanishing, func(s *memSink) {
			s.Vanish = map[digest.Digest]bool{vanishing.Layers[0].Digest: true}
		}, "not repeated as it was, with every layer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkLeaks(t)
			stream := newPuppet(t, func(p *puppet) {
				p.hello()
				p.json(tOffer, transfer.Offer{Images: []transfer.Image{test.image.Image}})
				p.wait(tAnswer)
				index := transfer.Index{Images: []transfer.IndexImage{}}
				end := make([]byte, 16)
				if test.image == vanishing {
					config := test.image.Blobs[test.image.Config]
					p.say(blobFrame(test.image.Config, "", int64(len(config))))
					p.say(dataBlock(0, len(config), config))
					p.say(wireFrame{tBlobEnd, nil}.bytes())
					index.Images = []transfer.IndexImage{test.image.Index}
					end[7], end[15] = 1, byte(len(config))
				}
				p.json(tIndex, index)
				p.say(wireFrame{tEnd, end}.bytes())
				p.wait(tResult)
				p.json(tOffer, transfer.Offer{Images: []transfer.Image{test.image.Image}})
				p.wait(tError)
			})
			rcv, err := wire.NewReceiver(t.Context(), stream, wire.Hello{}, wire.StreamOptions{})
			if err != nil {
				t.Fatal(err)
			}
			dst := newSink(vanishing)
			test.dst(dst)
			_, err = transfer.Copy(t.Context(), rcv, dst, transfer.Options{})
			wantErr(t, "receiver", err, transfer.KindBroken, false, test.text)
		})
	}
}
