package wire_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
)

// TestUnconfirmed has a receiver grant the maximum of credits and acknowledge nothing.
// The sender must keep only a bounded number of frames for it.
func TestUnconfirmed(t *testing.T) {
	checkLeaks(t)
	near, far := transfertest.TCP(t)
	src := newSource(newImage("a:1", false, random(1, 100*block)))
	ended := make(chan error, 1)
	go func() {
		snd, err := wire.NewSender(t.Context(), near, wire.Hello{}, wire.StreamOptions{Compression: wire.CompressNone, RetryFor: time.Minute,
			Redial: func(context.Context) (wire.Stream, error) {
				return nil, &transfer.Error{Kind: transfer.KindOther, Err: net.ErrClosed}
			}})
		if err == nil {
			_, err = transfer.Copy(t.Context(), src, snd, transfer.Options{})
		}
		ended <- err
	}()
	say := func(ft byte, body []byte) {
		if _, err := far.Write(wireFrame{ft, body}.bytes()); err != nil {
			t.Error(err)
		}
	}
	say(tHello, []byte(`{"protocol":1,"features":["resume"],"session":"`+sessionWord+`","retry":60}`))
	say(tCredit, []byte{0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	n, last := 0, time.Now()
	for time.Since(last) < 5*time.Second { // signs of life come every two
		f, err := readWireFrame(far)
		if err != nil {
			t.Fatal(err)
		}
		if f.t == tOffer {
			var o transfer.Offer
			if err := json.Unmarshal(f.body, &o); err != nil {
				t.Fatal(err)
			}
			say(tAnswer, []byte(`{"images":[{"status":"take","have":[false]}]}`))
		}
		if counted(f.t) {
			n, last = n+1, time.Now()
		}
		say(tAlive, []byte(`{}`))
	}
	if n < 16 || n > 40 {
		t.Errorf("%d frames were sent without being confirmed", n)
	}
	say(tAlive, []byte(`{"frames":20}`))
	for more := 0; more < 10; {
		f, err := readWireFrame(far)
		if err != nil {
			t.Fatal(err)
		}
		if counted(f.t) {
			more++
		}
	}
	_ = far.CloseWrite()
	_, _ = io.Copy(io.Discard, far)
	wantErr(t, "sender", <-ended, transfer.KindBroken, false, "without a word")
}
