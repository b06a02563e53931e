package wire

import (
	"bytes"
	"testing"
)

// seed adds the payloads of the golden frames of a type.
func seed(f *testing.F, t frameType) {
	n := 0
	for _, g := range Goldens(f) {
		if g.Type == t && len(g.Frame) > frameHeader {
			f.Add(g.Frame[frameHeader:])
			n++
		}
	}
	if n == 0 {
		f.Fatalf("no seeds of type %d", t)
	}
}

// A blob header that is accepted encodes to itself.
func FuzzBlobHeader(f *testing.F) {
	seed(f, frameBlob)
	f.Fuzz(func(t *testing.T, payload []byte) {
		d, err := unmarshalBlob(payload)
		if err != nil {
			return
		}
		b, err := marshalBlob(d)
		if err != nil {
			t.Fatalf("%+v cannot be sent: %v", d, err)
		}
		if !bytes.Equal(b[frameHeader:], payload) {
			t.Errorf("%q encodes to %q", payload, b[frameHeader:])
		}
	})
}

// A block decodes to as many bytes as it says, and they survive each level.
func FuzzBlock(f *testing.F) {
	seed(f, frameBlock)
	dec, err := newDecoder(1)
	if err != nil {
		f.Fatal(err)
	}
	enc := newEncoder(1)
	out, again, buf := make([]byte, maxPayload), make([]byte, maxPayload), make([]byte, frameHeader+maxPayload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > maxPayload {
			return
		}
		raw, err := dec.decode(payload, out)
		if err != nil {
			return
		}
		if len(raw) == 0 || len(raw) > MaxBlock {
			t.Fatalf("%d raw bytes", len(raw))
		}
		frame := append(make([]byte, blockHead), raw...)
		for l := range levels {
			b, err := enc.encode(frame, len(raw), l, buf)
			if err != nil {
				t.Fatal(err)
			}
			if len(b) > blockHead+len(raw) {
				t.Errorf("level %d: %d bytes from %d", l, len(b), len(raw))
			}
			got, err := dec.decode(b[frameHeader:], again)
			if err != nil || !bytes.Equal(got, raw) {
				t.Fatalf("level %d: %v", l, err)
			}
		}
	})
}
