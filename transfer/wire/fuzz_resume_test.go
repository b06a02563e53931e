package wire_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
)

// sessionWord stands in what a sender says for the session that the receiver has
// named.
const sessionWord = "4N3SP7QHQ2XJ2D7U5V6WZB3KFA"

// golden returns a golden frame.
func golden(f testing.TB, name string) []byte {
	for _, g := range wire.Goldens(f) {
		if g.Name == name {
			return g.Frame
		}
	}
	f.Fatalf("no golden frame %s", name)
	return nil
}

// A lostReplay is a replay whose line breaks at its end.
type lostReplay struct{ *replay }

func (r lostReplay) Read(b []byte) (int, error) {
	n, err := r.replay.Read(b)
	if err == io.EOF {
		err = errors.New("connection reset")
	}
	return n, err
}

// joined returns the bytes of frames.
func joined(frames []wireFrame) []byte {
	var all []byte
	for _, w := range frames {
		all = append(all, w.bytes()...)
	}
	return all
}

// FuzzResumeSender has a sender hear one stream end and go on with another.
func FuzzResumeSender(f *testing.F) {
	said := record(f, fuzzImage()).received
	hello, resumed := golden(f, "hello-session"), wireFrame{tResumed, []byte(`{"received":0}`)}.bytes()
	for n := 1; n < len(said); n++ {
		f.Add(append(bytes.Clone(hello), joined(said[1:n])...), append(append(bytes.Clone(hello), resumed...), joined(said[n:])...))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		bounded(t, append(first, second...), func(ctx context.Context) {
			snd, err := wire.NewSender(ctx, lostReplay{newReplay(first)}, wire.Hello{},
				wire.StreamOptions{RetryFor: time.Second, Redial: redialOnce(second)})
			if err != nil {
				return
			}
			rep, err := transfer.Copy(ctx, newSource(fuzzImage()), snd, transfer.Options{})
			if err == nil && rep.Images != 1 && !rep.DryRun {
				t.Errorf("success without an image: %+v", rep)
			}
		})
	})
}

// FuzzResumeFetcher has a receiver that dials hear one stream end and go on with another.
func FuzzResumeFetcher(f *testing.F) {
	said := record(f, fuzzImage()).sent
	hello, resumed := golden(f, "hello-session"), wireFrame{tResumed, []byte(`{"received":0}`)}.bytes()
	for n := 1; n < len(said); n++ {
		f.Add(append(bytes.Clone(hello), joined(said[1:n])...), append(append(bytes.Clone(hello), resumed...), joined(said[n:])...))
	}
	m := fuzzImage()
	f.Fuzz(func(t *testing.T, first, second []byte) {
		bounded(t, append(first, second...), func(ctx context.Context) {
			rcv, err := wire.NewFetcher(ctx, lostReplay{newReplay(first)}, wire.Hello{}, wire.Request{},
				wire.StreamOptions{RetryFor: time.Second, Redial: redialOnce(second)})
			if err != nil {
				return
			}
			dst := newSink()
			_, _ = transfer.Copy(ctx, rcv, dst, transfer.Options{})
			wantNoOther(t, dst, m)
		})
	})
}

// redialOnce returns a Redial that works once, and then ends the transfer.
func redialOnce(in []byte) func(context.Context) (wire.Stream, error) {
	dialed := false
	return func(context.Context) (wire.Stream, error) {
		if dialed {
			return nil, &transfer.Error{Kind: transfer.KindOther, Err: io.EOF}
		}
		dialed = true
		return lostReplay{newReplay(in)}, nil
	}
}

// A listened stream keeps what is written to it.
type listened struct {
	lostReplay
	said *bytes.Buffer
}

func (l listened) Write(b []byte) (int, error) {
	n, err := l.replay.Write(b)
	l.said.Write(b[:n])
	return n, err
}

// FuzzResumeReceiver has a receiver hear one stream end and go on with another.
func FuzzResumeReceiver(f *testing.F) {
	said := record(f, fuzzImage()).sent
	for n := 1; n < len(said); n++ {
		f.Add(append(golden(f, "hello-session"), joined(said[1:n])...), append(golden(f, "hello-resumes"), joined(said[n:])...))
	}
	m := fuzzImage()
	f.Fuzz(func(t *testing.T, first, second []byte) {
		bounded(t, append(first, second...), func(ctx context.Context) {
			var sessions wire.Sessions
			var losses atomic.Int32
			heard := listened{lostReplay{newReplay(first)}, new(bytes.Buffer)}
			copying, end := context.WithCancel(ctx)
			defer end()
			rcv, err := sessions.Receive(ctx, heard, "sender", wire.Hello{}, wire.StreamOptions{RetryFor: time.Second, OnLine: func(e wire.LineEvent) {
				switch {
				case e.Err == nil:
				case losses.Add(1) > 1:
					end()
				default:
					hello, err := readWireFrame(bytes.NewReader(heard.said.Bytes()))
					if err != nil {
						t.Error(err)
					}
					session := sessionOf(hello)
					go func() {
						other, err := sessions.Receive(ctx, lostReplay{newReplay(bytes.ReplaceAll(second, []byte(sessionWord), session))}, "sender", wire.Hello{}, wire.StreamOptions{})
						if err == nil {
							_ = other.Close(nil)
						}
						if err != wire.ErrResumed {
							end()
						}
					}()
				}
			}})
			if err != nil {
				return
			}
			dst := newSink()
			_, _ = transfer.Copy(copying, rcv, dst, transfer.Options{})
			wantNoOther(t, dst, m)
		})
	})
}

// sessionOf returns the session that a hello names.
func sessionOf(hello wireFrame) []byte {
	_, rest, _ := bytes.Cut(hello.body, []byte(`"session":"`))
	session, _, _ := bytes.Cut(rest, []byte(`"`))
	return session
}
