package transfer_test

import (
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
)

// TestNoOffer has a sender greet, show signs of life, and offer nothing.
func TestNoOffer(t *testing.T) {
	checkLeaks(t)
	near, far := transfertest.TCP(t)
	opts := transfer.StreamOptions{Idle: 300 * time.Millisecond}
	done := make(chan error, 1)
	go func() {
		rcv, err := transfer.NewReceiver(t.Context(), far, transfer.Hello{Program: "imgrecv"}, opts)
		if err == nil {
			_, err = rcv.Next(t.Context())
			_ = rcv.Close(err)
		}
		done <- err
	}()
	snd, err := transfer.NewSender(t.Context(), near, transfer.Hello{Program: "imgsend"}, opts)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if transfer.KindOf(err) != transfer.KindBroken {
			t.Errorf("the receiver says %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the receiver waits on")
	}
	<-snd.Failed()
	if err := snd.Err(); transfer.KindOf(err) != transfer.KindBroken {
		t.Errorf("the sender hears %v", err)
	}
	_ = snd.Close(snd.Err())
}
