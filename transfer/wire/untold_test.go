package wire_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
)

// A receiver reports the names that it has given even if the sender closes the connection
// meanwhile.
func TestSenderGoneWhileNaming(t *testing.T) {
	checkLeaks(t)
	out, in := transfertest.TCP(t)
	one, two := newImage("a:1", false, random(1, 999)), newImage("b:1", false, random(2, 999))
	dst := newSink()
	dst.OnLoad = func(ctx context.Context) error {
		_ = out.Close()
		<-ctx.Done() // it has been noticed
		return nil
	}
	var arrived []string
	r := transferRun{src: newSource(one, two), dst: dst, out: out, in: in}
	r.recvOpts.OnArrival = func(m *transfer.Image, a transfer.Arrival, _ bool) {
		if a.New == m.ID {
			arrived = append(arrived, a.Names[0].Ref)
		}
	}
	r.do(t)
	if r.recvErr != nil || r.recvRep.Images != 2 || r.recvRep.Untold == nil {
		t.Errorf("receiver: %+v, %v", r.recvRep, r.recvErr)
	}
	if want := []string{"a:1", "b:1"}; !slices.Equal(arrived, want) {
		t.Errorf("%q were reported, not %q", arrived, want)
	}
	if dst.Closed != 1 || dst.CloseErr != nil {
		t.Errorf("sink closed %d times with %v", dst.Closed, dst.CloseErr)
	}
	if transfer.KindOf(r.sendErr) == transfer.KindOther {
		t.Errorf("sender: %v", r.sendErr)
	}
}

// remaining is a sink whose commit fails and leaves a name.
type remaining struct{ *memSink }

func (s remaining) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	out, err := s.memSink.Commit(ctx, x)
	return out, errors.Join(err, engineError("cannot take it back"))
}

// Names that a failed commit could not take back are reported.
func TestRemainingNames(t *testing.T) {
	checkLeaks(t)
	m, dst := newImage("a:1", false, random(1, 999)), newSink()
	var arrived []transfer.Arrival
	rep, err := transfer.Copy(t.Context(), newSource(m), remaining{dst}, transfer.Options{
		OnArrival: func(_ *transfer.Image, a transfer.Arrival, _ bool) { arrived = append(arrived, a) }})
	wantErr(t, "copy", err, transfer.KindEngine, false, "cannot take it back")
	if rep.Images != 0 || len(arrived) != 1 || arrived[0].Names[0].Ref != "a:1" {
		t.Errorf("%+v, %v", rep, arrived)
	}
}

// keeping is a sink that keeps two of five layers when the copy fails.
type keeping struct{ *memSink }

func (keeping) Kept() transfer.Kept { return transfer.Kept{Layers: 2, Of: 5, Bytes: 40_000_000} }

// After a failure both sides learn which layers are kept for the next attempt.
func TestKept(t *testing.T) {
	checkLeaks(t)
	m, dst := newImage("a:1", false, random(1, 999)), newSink()
	r := transferRun{src: newSource(m), dst: keeping{dst}}
	r.do(t)
	if r.sendErr != nil || r.recvErr != nil {
		t.Fatalf("sender: %v, receiver: %v", r.sendErr, r.recvErr)
	}
	dst = newSink()
	dst.OnLoad = func(context.Context) error { return engineError("no room") }
	r = transferRun{src: newSource(m), dst: keeping{dst}}
	r.do(t)
	wantErr(t, "sender", r.sendErr, transfer.KindEngine, true, "no room")
	wantErr(t, "receiver", r.recvErr, transfer.KindEngine, false, "no room")
	for side, err := range map[string]error{"sender": r.sendErr, "receiver": r.recvErr} {
		var kept *transfer.KeptError
		if !errors.As(err, &kept) || kept.Kept.String() != "2 of 5 layers, 40 MB, are kept for the next try" {
			t.Errorf("%s: %+v", side, kept)
		}
	}
}
