package wire_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// dataBlock returns a data block frame.
func dataBlock(codec byte, raw int, payload []byte) []byte {
	b := append([]byte{codec}, binary.BigEndian.AppendUint32(nil, uint32(raw))...)
	return wireFrame{tBlock, append(b, payload...)}.bytes()
}

// zstdOf returns n zeros as a zstd frame that says how many they are, or not.
func zstdOf(n int, sized bool) []byte {
	var out bytes.Buffer
	z, _ := zstd.NewWriter(&out, zstd.WithWindowSize(1<<20))
	if sized {
		return z.EncodeAll(make([]byte, n), nil)
	}
	for range n / 1024 {
		z.Write(make([]byte, 1024))
	}
	z.Close()
	return out.Bytes()
}

type fault struct {
	name string
	dir  direction
	edit edit
	text string
}

// limits of the frame types, as PROTOCOL.md has them.
var frameLimits = []struct {
	t   byte
	max uint32
}{
	{tHello, 65536}, {tOffer, 8 << 20}, {tAnswer, 8 << 20}, {tBlob, 520}, {tBlock, 5 + 1<<20 + 1<<14 + 1024},
	{tBlobEnd, 0}, {tIndex, 8 << 20}, {tEnd, 16}, {tResult, 8 << 20}, {tError, 65536}, {tAlive, 65536},
	{tBye, 0}, {tCredit, 12}, {tResumed, 65536},
}

// replaced returns a change of old to new in the payload, which must be there.
func replaced(old, new string) func(wireFrame) []byte {
	return body(func(b []byte) []byte {
		if !bytes.Contains(b, []byte(old)) {
			panic(fmt.Sprintf("no %s in %s", old, b))
		}
		return bytes.Replace(b, []byte(old), []byte(new), 1)
	})
}

// tamperedID is that of the image that is tampered with.
var tamperedID = tamperedImage().ID.String()

func tamperedImage() *memImage { return newImage("a:1", false, text(1, 300_000), random(2, 5000)) }

func faults() []fault {
	twice := func(f wireFrame) []byte { return append(f.bytes(), f.bytes()...) }
	drop := instead()
	first := func(codec byte, raw int, payload []byte) edit {
		return onFirst(tBlock, instead(dataBlock(codec, raw, payload)...))
	}
	cutShort := body(func(b []byte) []byte { return b[:len(b)-1] })
	longer := body(func(b []byte) []byte { return append(b, 0) })
	byteAt := func(i int, v byte) func(wireFrame) []byte {
		return body(func(b []byte) []byte { b[(len(b)+i)%len(b)] = v; return b })
	}
	list := []fault{
		{"wrong digest", fromSender, onFirst(tBlock, body(func(b []byte) []byte { b[7] ^= 1; return b })), "another digest"},
		{"short blob", fromSender, onFirst(tBlobEnd, func(wireFrame) []byte { return nil }), "inside a blob"},
		{"block missing", fromSender, onFirst(tBlock, drop), "early"},
		{"block twice", fromSender, onFirst(tBlock, twice), "longer than"},
		{"size too small", fromSender, onFirst(tBlob, byteAt(7, 1)), "longer than"},
		{"size too big", fromSender, onFirst(tBlob, byteAt(6, 99)), "early"},
		{"size beyond all", fromSender, onFirst(tBlob, byteAt(0, 255)), "blob of"},
		{"blob header cut", fromSender, onFirst(tBlob, cutShort), "cut short"},
		{"blob header longer", fromSender, onFirst(tBlob, longer), "too long"},
		{"blob header empty", fromSender, onFirst(tBlob, instead(header(tBlob, 0)...)), "blob header"},
		{"digest of an unknown kind", fromSender, onFirst(tBlob, replaced("sha256:", "sha666:")), "blob"},
		{"media type of control bytes", fromSender, onFirst(tBlob, byteAt(-1, 7)), "media type"},
		{"empty block frame", fromSender, onFirst(tBlock, instead(header(tBlock, 0)...)), "data block"},
		{"block of no bytes", fromSender, first(0, 0, nil), "raw bytes"},
		{"block over its limit", fromSender, first(1, block+1, s2.Encode(nil, make([]byte, block+1))), "raw bytes"},
		{"raw length that lies", fromSender, first(0, 7, []byte("8 bytes!")), "raw bytes"},
		{"unknown codec", fromSender, first(9, 7, []byte("7 bytes")), "unknown codec 9"},
		{"bad s2", fromSender, first(1, 7, []byte("\xff\xff\xff\xff\xff\xff\xff\xff")), "data block"},
		{"s2 of another length", fromSender, first(1, 7, s2.Encode(nil, []byte("8 bytes!"))), "data block"},
		{"bad zstd", fromSender, first(2, 7, []byte("garbage")), "data block"},
		{"empty zstd", fromSender, first(2, 7, nil), "data block"},
		{"zstd of another length", fromSender, first(2, 7, zstdOf(8192, true)), "data block"},
		{"zstd bomb", fromSender, first(2, block, zstdOf(64<<20, true)), "data block"},
		{"zstd bomb of no stated size", fromSender, first(2, block, zstdOf(64<<20, false)), "data block"},
		{"index lacks a layer", fromSender, onFirst(tIndex, dropLayer), "index"},
		{"index lists another image", fromSender, onFirst(tIndex, replaced(`"id":"sha256:`, `"id":"sha256:00000000`)), "index"},
		{"index of no images", fromSender, onFirst(tIndex, instead(wireFrame{tIndex, []byte(`{"images":[]}`)}.bytes()...)), "index"},
		{"index not JSON", fromSender, onFirst(tIndex, replaced(`{"images"`, `("images"`)), "control frame"},
		{"index twice", fromSender, onFirst(tIndex, twice), ""},
		{"index missing", fromSender, onFirst(tIndex, drop), "where a blob or the index belongs"},
		{"end of other blobs", fromSender, onFirst(tEnd, byteAt(7, 77)), "77 blobs"},
		{"end of other bytes", fromSender, onFirst(tEnd, byteAt(15, 77)), "bytes were sent"},
		{"end missing", fromSender, onFirst(tEnd, instead(wireFrame{tBlobEnd, nil}.bytes()...)), "where the end belongs"},
		{"end cut", fromSender, onFirst(tEnd, cutShort), "end of 15 bytes"},
		{"offer of nothing", fromSender, onFirst(tOffer, instead(wireFrame{tOffer, []byte(`{}`)}.bytes()...)), "offer of 0 images"},
		{"index of lists", fromSender, onFirst(tIndex, instead(wireFrame{tIndex, slices.Concat([]byte(`{"images":[`), bytes.Repeat([]byte("{},"), 1e6), []byte("{}]}"))}.bytes()...)), "list of more than"},
		{"offer twice", fromSender, onFirst(tOffer, twice), ""},
		{"unknown frame", fromSender, onFirst(tBlob, instead(header(77, 0)...)), "unknown frame type 77"},
		{"frame type zero", fromSender, onFirst(tBlob, instead(header(0, 0)...)), "unknown frame type 0"},
		{"answer from the sender", fromSender, onFirst(tBlob, instead(header(tAnswer, 0)...)), "does not come from a sender"},
		{"second hello", fromSender, onFirst(tBlob, instead(header(tHello, 0)...)), "does not come from a sender"},
		{"bye too early", fromSender, onFirst(tBlob, instead(header(tBye, 0)...)), "where a blob or the index belongs"},
		{"alive not JSON", fromSender, onFirst(tBlob, instead(wireFrame{tAlive, []byte("x")}.bytes()...)), "control frame"},
		{"no hello", fromSender, onFirst(tHello, instead(wireFrame{tOffer, []byte("{}")}.bytes()...)), "where a hello belongs"},
		{"hello not JSON", fromSender, onFirst(tHello, instead(wireFrame{tHello, []byte("GET /")}.bytes()...)), "control frame"},

		{"answer for other images", fromReceiver, onFirst(tAnswer, instead(wireFrame{tAnswer, []byte(`{"images":[]}`)}.bytes()...)), "answer for 0 of 1 images"},
		{"answer for other layers", fromReceiver, onFirst(tAnswer, replaced(`[false,`, `[`)), "layers"},
		{"answer of an unknown status", fromReceiver, onFirst(tAnswer, replaced(`"take"`, `"\u001btake"`)), "unknown status"},
		{"answer not JSON", fromReceiver, onFirst(tAnswer, replaced(`{`, `(`)), "control frame"},
		{"answer of many lists", fromReceiver, onFirst(tAnswer, replaced(`"images":[`, `"images":[`+strings.Repeat(`{"have":[`+strings.Repeat("0,", 1000)+`0]},`, 600))), "more than 524288 elements"},
		{"answer of lists", fromReceiver, onFirst(tAnswer, replaced(`[false,`, "["+string(bytes.Repeat([]byte("true,"), 5000)))), "list of more than"},
		{"answer twice", fromReceiver, onFirst(tAnswer, twice), "out of turn"},
		{"result for an answer", fromReceiver, onFirst(tAnswer, instead(wireFrame{tResult, []byte("{}")}.bytes()...)), "out of turn"},
		{"result of no image", fromReceiver, onFirst(tResult, instead(wireFrame{tResult, []byte(`{}`)}.bytes()...)), "no word of a:1"},
		{"result of bad digests", fromReceiver, onFirst(tResult, replaced(`"new":"sha256:`, `"new":"`)), "result"},
		{"result of another image", fromReceiver, onFirst(tResult, replaced(`"id":"sha256:`, `"id":"sha256:0000000000000000000000000000000000000000000000000000000000000000","was":"`)), "was not offered"},
		{"result of an image twice", fromReceiver, onFirst(tResult, replaced(`"images":[`, `"images":[{"id":"`+tamperedID+`","new":"`+tamperedID+`","names":[{"ref":"a:1"}]},`)), "arrived twice"},
		{"result of many images", fromReceiver, onFirst(tResult, replaced(`"images":[`, `"images":[`+strings.Repeat(`{"id":"`+tamperedID+`","new":"`+tamperedID+`","names":[{"ref":"a:1"}]},`, 5000))), "list of more than"},
		{"result of 1001 names", fromReceiver, onFirst(tResult, replaced(`"names":[`, `"names":[`+strings.Repeat(`{"ref":"evil:1"},`, 1000))), "was offered with 1 names and has 1001"},
		{"result of two more names", fromReceiver, onFirst(tResult, replaced(`"names":[`, `"names":[{"ref":"evil:1"},{"ref":"evil:2"},`)), "was offered with 1 names and has 3"},
		{"result of no name", fromReceiver, onFirst(tResult, replaced(`"names":[`, `"names":[],"were":[`)), "was offered with 1 names and has 0"},
		{"result of a name of two words", fromReceiver, onFirst(tResult, replaced(`"ref":"a:1"`, `"ref":"a:1 sha256:00"`)), "not an image name"},
		{"result of a name with control bytes", fromReceiver, onFirst(tResult, replaced(`"ref":"a:1"`, `"ref":"a:1\u001b[2J\n"`)), "not an image name"},
		{"result of a name without a tag", fromReceiver, onFirst(tResult, replaced(`"ref":"a:1"`, `"ref":"a"`)), "has no tag"},
		{"result of a bad replaced image", fromReceiver, onFirst(tResult, replaced(`"ref":"a:1"`, `"ref":"a:1","replaced":"\u001b[2J"`)), "replaced image id"},
		{"result of a retry and an image", fromReceiver, onFirst(tResult, replaced(`"images":`, `"retry":"gone","images":`)), "and a retry"},
		{"bye for an answer", fromReceiver, onFirst(tAnswer, instead(header(tBye, 0)...)), "ended the transfer early"},
		{"bye for a result", fromReceiver, onFirst(tResult, instead(header(tBye, 0)...)), "ended the transfer early"},
		{"offer from the receiver", fromReceiver, onFirst(tAnswer, instead(header(tOffer, 0)...)), "does not come from a receiver"},
		{"unknown frame from the receiver", fromReceiver, onFirst(tAnswer, instead(header(99, 0)...)), "unknown frame type 99"},
		{"no credit", fromReceiver, onFirst(tCredit, instead(wireFrame{tCredit, []byte{0, 0, 0, 0}}.bytes()...)), "credit for 0 frames"},
		{"credit cut", fromReceiver, onFirst(tCredit, cutShort), "credit of 3 bytes"},
		{"too much credit", fromReceiver, onFirst(tCredit, instead(wireFrame{tCredit, []byte{1, 0, 0, 0}}.bytes()...)), "credit for 16777216 frames"},
		{"too much credit in all", fromReceiver, onFirst(tCredit, instead(bytes.Repeat(wireFrame{tCredit, []byte{0, 1, 0, 0}}.bytes(), 2)...)), "more than 65536"},
	}
	for _, l := range frameLimits {
		for _, n := range []uint32{l.max + 1, 1<<32 - 1} {
			name := fmt.Sprintf("type %d of %d bytes", l.t, n)
			list = append(list,
				fault{name, fromSender, onFirst(tBlob, instead(header(l.t, n)...)), "over its limit"},
				fault{name + " back", fromReceiver, onFirst(tAnswer, instead(header(l.t, n)...)), "over its limit"})
		}
	}
	return list
}

// dropLayer takes the last layer out of an index of one image.
func dropLayer(f wireFrame) []byte {
	i, j := bytes.LastIndex(f.body, []byte(`,{`)), bytes.LastIndex(f.body, []byte(`]}`))
	return wireFrame{f.t, slices.Concat(f.body[:i], f.body[j-2:])}.bytes()
}

// If a side receives invalid data, both sides return the error, and the sink commits
// nothing.
func TestTampered(t *testing.T) {
	checkLeaks(t)
	m := tamperedImage()
	for _, f := range faults() {
		t.Run(string(f.dir)+"/"+f.name, func(t *testing.T) {
			var sender, receiver edit
			if f.dir == fromSender {
				sender = f.edit
			} else {
				receiver = f.edit
			}
			p := newTap(t, sender, receiver)
			dst := newSink()
			r := transferRun{src: newSource(m), dst: dst, out: p.out, in: p.in, compression: wire.CompressNone}
			r.do(t)
			wantErr(t, "sender", r.sendErr, transfer.KindBroken, f.dir == fromSender, f.text)
			for _, err := range []error{r.sendErr, r.recvErr} {
				if err != nil && strings.ContainsFunc(err.Error(), unicode.IsControl) {
					t.Errorf("control characters in %q", err)
				}
			}
			recvErr := r.recvErr
			switch {
			case strings.HasPrefix(f.name, "result of"), f.name == "bye for a result":
				// Everything has been committed by then.
				if recvErr != nil {
					t.Errorf("receiver: %v", recvErr)
				}
				recvErr = r.recvRep.Untold
			case f.name == "answer twice" && recvErr == nil:
				// The sender has read the second one after it had sent everything.
				recvErr = r.recvRep.Untold
			case dst.Closed > 0:
				wantNothing(t, dst)
			}
			wantErr(t, "receiver", recvErr, transfer.KindBroken, f.dir == fromReceiver, f.text)
			if r.sendTook > 5*time.Second || r.recvTook > 5*time.Second {
				t.Errorf("took %v and %v", r.sendTook, r.recvTook)
			}
		})
	}
}
