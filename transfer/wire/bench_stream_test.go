package wire_test

import (
	"context"
	"io"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A nullSink takes everything and keeps nothing.
type nullSink struct{ *memSink }

func (s nullSink) Put(_ context.Context, d ocispec.Descriptor, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	s.Pending[d.Digest] = nil
	return err
}

// BenchmarkCopy is a whole transfer over a loopback connection, both ends in
// this process.
func BenchmarkCopy(b *testing.B) {
	const size = 64 << 20
	part := text(1, 4<<20)
	layer := make([]byte, 0, size)
	for len(layer) < size {
		layer = append(layer, part...)
	}
	images := map[string]*memImage{"text": newImage("a:1", false, layer), "noise": newImage("a:1", false, random(1, size))}
	for _, data := range []string{"text", "noise"} {
		for _, c := range []wire.Compression{wire.CompressNone, wire.CompressFast, wire.CompressBest, wire.CompressAuto} {
			b.Run(data+"/"+string(c), func(b *testing.B) {
				b.SetBytes(size)
				p := new(transfer.Progress)
				for b.Loop() {
					r := transferRun{src: newSource(images[data]), dst: nullSink{newSink()}, compression: c, sendOpts: transfer.Options{Progress: p}}
					r.do(b)
					if r.sendErr != nil || r.recvErr != nil {
						b.Fatal(r.sendErr, r.recvErr)
					}
				}
				b.ReportMetric(float64(p.Wire.Load())/float64(p.Done.Load()), "ratio")
			})
		}
	}
}
