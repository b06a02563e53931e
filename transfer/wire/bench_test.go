package wire

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"
)

// A hole is a Stream that takes anything and says what is in r.
type hole struct{ r io.Reader }

func (h hole) Read(b []byte) (int, error)     { return h.r.Read(b) }
func (hole) Write(b []byte) (int, error)      { return len(b), nil }
func (hole) Close() error                     { return nil }
func (hole) SetReadDeadline(time.Time) error  { return nil }
func (hole) SetWriteDeadline(time.Time) error { return nil }

// An again reads as its bytes without end.
type again struct {
	data []byte
	at   int
}

func (r *again) Read(b []byte) (int, error) {
	n := copy(b, r.data[r.at:])
	r.at = (r.at + n) % len(r.data)
	return n, nil
}

// benchText returns n bytes that compress about as well as a base layer.
func benchText(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([][]byte, 3000)
	for i := range words {
		words[i] = make([]byte, 3+r.IntN(12))
		for j := range words[i] {
			words[i][j] = byte(r.Uint32())
		}
	}
	b := make([]byte, 0, n+16)
	for len(b) < n {
		b = append(b, words[int(r.ExpFloat64()*300)%len(words)]...)
	}
	return b[:n]
}

func benchNoise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// BenchmarkFrameEncode is what the sender does to each block but to compress,
// hash and write it.
func BenchmarkFrameEncode(b *testing.B) {
	c := newConn(hole{}, StreamOptions{})
	w := newBlockWriter(c, newTuner(CompressNone), nil)
	src := &again{data: benchNoise(MaxBlock)}
	b.SetBytes(MaxBlock)
	for b.Loop() {
		_ = w.credit.fill(1)
		if n, err := w.copy(context.Background(), "", io.LimitReader(src, MaxBlock), false); n != MaxBlock || err != nil {
			b.Fatal(n, err)
		}
	}
	w.stop()
	c.shut()
}

// BenchmarkFrameDecode is what the receiver does to each block but to read,
// expand and hash it.
func BenchmarkFrameDecode(b *testing.B) {
	frame, err := newEncoder(1).encode(make([]byte, blockHead+MaxBlock), MaxBlock, levelNone, nil)
	if err != nil {
		b.Fatal(err)
	}
	dec, _ := newDecoder(1)
	c := newConn(hole{&again{data: frame}}, StreamOptions{})
	// Nobody asks whether there is credit: each block is taken as it comes.
	r := &blockReader{c: c, dec: dec}
	r.lent = 1 << 40
	b.SetBytes(MaxBlock)
	for b.Loop() {
		f, err := r.frame()
		if err != nil || len(f.raw) != MaxBlock {
			b.Fatal(err)
		}
		r.release(context.Background(), f)
	}
	dec.close()
}

func BenchmarkCodec(b *testing.B) {
	for _, data := range []struct {
		name string
		raw  []byte
	}{{"text", benchText(MaxBlock)}, {"noise", benchNoise(MaxBlock)}} {
		for l := range levels {
			frame := append(make([]byte, blockHead), data.raw...)
			out := make([]byte, frameHeader+maxPayload)
			enc := newEncoder(1)
			dec, _ := newDecoder(1)
			b.Run(fmt.Sprintf("encode/%s/%d", data.name, l), func(b *testing.B) {
				b.SetBytes(MaxBlock)
				var n int
				for b.Loop() {
					f, err := enc.encode(frame, MaxBlock, l, out)
					if err != nil {
						b.Fatal(err)
					}
					n = len(f)
				}
				b.ReportMetric(float64(n)/MaxBlock, "ratio")
			})
			f, _ := enc.encode(frame, MaxBlock, l, out)
			raw := make([]byte, maxPayload)
			b.Run(fmt.Sprintf("decode/%s/%d", data.name, l), func(b *testing.B) {
				b.SetBytes(MaxBlock)
				for b.Loop() {
					if _, err := dec.decode(f[frameHeader:], raw); err != nil {
						b.Fatal(err)
					}
				}
			})
			dec.close()
		}
	}
}
