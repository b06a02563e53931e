package wire

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/transfer"
)

// A Golden is one frame of testdata/frames.
type Golden struct {
	Name   string
	Type   frameType
	Expect string // "ok", or a part of the error
	Frame  []byte
}

var frameNames = map[string]frameType{
	"hello": frameHello, "offer": frameOffer, "answer": frameAnswer, "blob": frameBlob, "block": frameBlock,
	"blobend": frameBlobEnd, "index": frameIndex, "end": frameEnd, "result": frameResult, "error": frameError,
	"alive": frameAlive, "bye": frameBye, "credit": frameCredit, "resumed": frameResumed,
	"want": frameWant, "listing": frameListing,
}

// Goldens reads all golden frames.
func Goldens(t testing.TB) []Golden {
	t.Helper()
	files, err := filepath.Glob("testdata/frames/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden frames: %v", err)
	}
	var list []Golden
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(string(text), "\n\n")
		g := Golden{Name: strings.TrimSuffix(filepath.Base(file), ".txt")}
		for line := range strings.Lines(head) {
			switch key, value, _ := strings.Cut(strings.TrimSpace(line), ": "); key {
			case "type":
				g.Type = frameNames[value]
			case "expect":
				g.Expect = value
			}
		}
		g.Frame, err = hex.DecodeString(strings.Join(strings.Fields(body), ""))
		if err != nil || g.Type == 0 || g.Expect == "" || len(g.Frame) == 0 {
			t.Fatalf("%s: type %d, expect %q, %d bytes, %v", file, g.Type, g.Expect, len(g.Frame), err)
		}
		list = append(list, g)
	}
	return list
}

// decodeFrame reads one frame, checks it as its receiver does, and returns the
// frame that its contents encode to.
func decodeFrame(t testing.TB, frame []byte) ([]byte, error) {
	c := newConn(hole{bytes.NewReader(frame)}, StreamOptions{})
	defer c.resume.end()
	ft, n, err := readHeader(c.r)
	if err != nil {
		return nil, c.readError(err)
	}
	control := func(v any, check func() error) ([]byte, error) {
		if err := c.json(ft, n, v); err != nil {
			return nil, err
		}
		if err := check(); err != nil {
			return nil, err
		}
		return marshalFrame(ft, v)
	}
	fine := func() error { return nil }
	switch ft {
	case frameHello:
		return control(new(Hello), fine)
	case frameOffer:
		o := new(transfer.Offer)
		return control(o, o.Validate)
	case frameAnswer:
		return control(new(transfer.Plan), fine)
	case frameIndex:
		return control(new(transfer.Index), fine)
	case frameResult:
		out := new(transfer.Outcome)
		return control(out, out.WellFormed)
	case frameError:
		return control(new(failure), fine)
	case frameAlive:
		a := new(alive)
		return control(a, a.validate)
	case frameResumed:
		return control(new(resumed), fine)
	case frameWant:
		q := new(Request)
		return control(q, q.Check)
	case frameListing:
		l := new(Listing)
		return control(l, l.check)
	}
	payload := make([]byte, n)
	if err := c.payload(ft, payload); err != nil {
		return nil, err
	}
	switch ft {
	case frameBlob:
		d, err := unmarshalBlob(payload)
		if err != nil {
			return nil, err
		}
		return marshalBlob(d)
	case frameEnd:
		e, err := unmarshalEnd(payload)
		return e.marshal(), err
	case frameCredit:
		c, err := unmarshalCredit(payload)
		return c.marshal(n > creditSize), err
	case frameBlock:
		dec, err := newDecoder(1)
		if err != nil {
			t.Fatal(err)
		}
		defer dec.close()
		raw, err := dec.decode(payload, make([]byte, maxPayload))
		if err != nil {
			return nil, err
		}
		again := append(make([]byte, blockHead), raw...)
		again, err = newEncoder(1).encode(again, len(raw), levelNone, nil)
		if payload[0] != codecNone && err == nil {
			// Encoders may differ in what they make; it must be the same data.
			if string(again[blockHead:]) != "hello" {
				t.Errorf("decoded %q", raw)
			}
			return frame, nil
		}
		return again, err
	}
	return bareFrame(ft), nil
}

func TestGoldenFrames(t *testing.T) {
	good, bad := map[frameType]int{}, map[frameType]int{}
	for _, g := range Goldens(t) {
		t.Run(g.Name, func(t *testing.T) {
			again, err := decodeFrame(t, g.Frame)
			if g.Expect == "ok" {
				good[g.Type]++
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(again, g.Frame) {
					t.Errorf("encodes to\n%q, not\n%q", again, g.Frame)
				}
				return
			}
			bad[g.Type]++
			if err == nil || !strings.Contains(err.Error(), g.Expect) {
				t.Errorf("error %v, want %q", err, g.Expect)
			}
		})
	}
	for name, ft := range frameNames {
		if good[ft] == 0 || bad[ft] == 0 {
			t.Errorf("%d good and %d bad frames of type %s", good[ft], bad[ft], name)
		}
	}
	if len(frameNames) != len(frameLimits) {
		t.Errorf("%d frame types, %d limits", len(frameNames), len(frameLimits))
	}
}
