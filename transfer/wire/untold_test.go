package wire_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
)

// A sender that hangs up while names are given does not keep the receiver from
// reporting them.
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

// A sender that goes between two rounds fails the copy: the second image has not
// arrived. The first one is reported.
func TestSenderGoneBetweenRounds(t *testing.T) {
	checkLeaks(t)
	out, in := transfertest.TCP(t)
	dst := newSink()
	dst.Later = true
	dst.OnLoad = func(ctx context.Context) error {
		_ = out.Close()
		<-ctx.Done()
		return nil
	}
	reported := 0
	r := transferRun{src: newSource(newImage("a:1", false, random(1, 999)), newImage("b:1", false, random(2, 999))), dst: dst, out: out, in: in}
	r.recvOpts.OnArrival = func(*transfer.Image, transfer.Arrival, bool) { reported++ }
	r.do(t)
	wantErr(t, "receiver", r.recvErr, transfer.KindBroken, false, "")
	if reported != 1 || r.recvRep.Untold != nil {
		t.Errorf("%d images reported, %+v", reported, r.recvRep)
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
