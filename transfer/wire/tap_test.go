package wire_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/imgsend/imgsend/transfer/transfertest"
)

// Frame types, as PROTOCOL.md numbers them.
const (
	tHello = 1 + iota
	tOffer
	tAnswer
	tBlob
	tBlock
	tBlobEnd
	tIndex
	tEnd
	tResult
	tError
	tAlive
	tBye
	tCredit
	tResumed
	tWant
	tListing
)

// A wireFrame is one frame as it passes a tap.
type wireFrame struct {
	t    byte
	body []byte
}

func (f wireFrame) bytes() []byte {
	b := append([]byte{f.t}, binary.BigEndian.AppendUint32(nil, uint32(len(f.body)))...)
	return append(b, f.body...)
}

func readWireFrame(r io.Reader) (wireFrame, error) {
	var h [5]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return wireFrame{}, err
	}
	f := wireFrame{t: h[0], body: make([]byte, binary.BigEndian.Uint32(h[1:]))}
	_, err := io.ReadFull(r, f.body)
	return f, err
}

// A direction of a conversation.
type direction byte

const (
	fromSender   direction = 's'
	fromReceiver direction = 'r'
)

// An edit is what a tap does to the frames of one direction: it returns the
// bytes to pass on in place of f.
type edit func(f wireFrame) []byte

// A tap is a connection with a listener in the middle that can change what is
// said.
type tap struct {
	out, in *net.TCPConn // for the sender, for the receiver
	a, b    *net.TCPConn // the other ends of out and in
	wg      sync.WaitGroup
}

// newTap connects a sender and a receiver. A nil edit passes all frames on.
func newTap(t testing.TB, sender, receiver edit) *tap {
	t.Helper()
	p := &tap{}
	p.out, p.a = transfertest.TCP(t)
	p.b, p.in = transfertest.TCP(t)
	p.wg.Add(2)
	go p.pass(p.b, p.a, sender)
	go p.pass(p.a, p.b, receiver)
	t.Cleanup(func() { p.cut(); p.wg.Wait() })
	return p
}

// cut closes both connections, as a host that goes away.
func (p *tap) cut() {
	p.a.Close()
	p.b.Close()
}

func (p *tap) pass(w, r *net.TCPConn, e edit) {
	defer p.wg.Done()
	// What cannot be written was not wanted any more; r is read to its end, so
	// that nobody is reset.
	defer io.Copy(io.Discard, r)
	defer w.CloseWrite()
	br := bufio.NewReader(r)
	for {
		f, err := readWireFrame(br)
		if err != nil {
			return
		}
		b := f.bytes()
		if e != nil {
			b = e(f)
		}
		if _, err := w.Write(b); err != nil {
			return
		}
	}
}

// onFirst returns an edit of the first frame of type t.
func onFirst(t byte, change func(wireFrame) []byte) edit {
	done := false
	return func(f wireFrame) []byte {
		if f.t != t || done {
			return f.bytes()
		}
		done = true
		return change(f)
	}
}

// body returns a change of the frame's payload.
func body(change func([]byte) []byte) func(wireFrame) []byte {
	return func(f wireFrame) []byte { return wireFrame{f.t, change(f.body)}.bytes() }
}

// instead returns a change to these bytes.
func instead(b ...byte) func(wireFrame) []byte {
	return func(wireFrame) []byte { return b }
}

// header returns a frame header alone.
func header(t byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{t}, n)
}
