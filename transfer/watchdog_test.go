package transfer_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
)

// hang waits for the end of ctx, as an engine that does not answer.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// wantEngine fails unless err blames the engine and says text.
func wantEngine(t *testing.T, err error, text string) {
	t.Helper()
	if transfer.KindOf(err) != transfer.KindEngine || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one of the engine with %q", err, text)
	}
}

// An ackless source never takes the result.
type ackless struct{ *transfertest.Source }

func (ackless) Settle(ctx context.Context, _ *transfer.Outcome) error { return hang(ctx) }

// TestResultNotTaken has a source that does not take the verdict: everything has
// arrived all the same.
func TestResultNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rep, err := transfer.Copy(t.Context(), ackless{transfertest.NewSource(transfertest.NewImage("a:1", false))}, transfertest.NewSink(), transfer.Options{})
		if err != nil || rep.Images != 1 {
			t.Errorf("%d images, %v", rep.Images, err)
		}
		wantEngine(t, rep.Untold, "has not taken the result for 5 min")
	})
}

// TestPatience gives an engine other times, more for more bytes.
func TestPatience(t *testing.T) {
	image := transfertest.NewImage("a:1", false, transfertest.Random(1, 100_000))
	for name, test := range map[string]struct {
		patience transfer.Patience
		after    time.Duration
	}{
		"work": {transfer.Patience{Work: time.Minute}, time.Minute},
		"size": {transfer.Patience{Work: time.Minute, PerSecond: 100}, 1000*time.Second + time.Minute},
		"day":  {transfer.Patience{Work: time.Minute, PerSecond: 1}, 24*time.Hour + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dst := transfertest.NewSink()
				dst.OnLoad = hang
				start := time.Now()
				_, err := transfer.Copy(t.Context(), transfertest.NewSource(image), dst, transfer.Options{Patience: test.patience})
				wantEngine(t, err, "has not answered the load of 101 kB")
				if took := time.Since(start); took < test.after || took > test.after+30*time.Second {
					t.Errorf("took %v, not %v", took, test.after)
				}
			})
		})
	}
}

// TestPatientSink has a pipe that is read when its reader likes to.
func TestPatientSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dst := transfertest.NewSink()
		wait := func(context.Context) error { time.Sleep(24 * time.Hour); return nil }
		dst.OnPut, dst.OnLoad = func(ctx context.Context, _ int) error { return wait(ctx) }, wait
		_, err := transfer.Copy(t.Context(), transfertest.NewSource(transfertest.NewImage("a:1", false, transfertest.Random(1, 1000))), dst, transfer.Options{PatientSink: true})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestDroppedIsProgress has a source that gives blobs which progress does not count: the
// source is not idle meanwhile.
func TestDroppedIsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := transfertest.NewImage("a:1", false, transfertest.Random(1, 100_000), transfertest.Random(2, 100_000))
		for i := range m.Layers {
			m.Layers[i].Exact = true
		}
		src := transfertest.NewSource(m)
		src.Twice = true
		src.OnBlob = func(ctx context.Context, n int) error {
			if n >= 2 { // behind the config
				time.Sleep(6 * time.Minute)
			}
			return ctx.Err()
		}
		if _, err := transfer.Copy(t.Context(), src, transfertest.NewSink(), transfer.Options{}); err != nil {
			t.Error(err)
		}
	})
}
