package cli

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// A drive moves a transfer's counters and its clock.
type drive struct {
	p   transfer.Progress
	g   *gauge
	now time.Time
	r   reading
}

func newDrive(total int64) *drive {
	d := &drive{now: time.Unix(1000, 0)}
	d.p.Total.Store(total)
	d.p.Enter(transfer.Moving)
	d.g = newGauge(&d.p)
	d.r = d.g.read(d.now)
	return d
}

// run lets time pass while bytes arrive evenly, each step long.
func (d *drive) run(whole, step time.Duration, bytes int64) {
	for end := d.now.Add(whole); d.now.Before(end); {
		d.now = d.now.Add(step)
		d.p.Done.Add(bytes)
		d.p.Wire.Add(bytes / 2)
		d.p.Content.Add(bytes / 2)
		d.r = d.g.read(d.now)
	}
}

func near(got, want int64) bool { return got > want*9/10 && got < want*11/10 }

func TestRate(t *testing.T) {
	d := newDrive(1e9)
	d.run(500*time.Millisecond, 100*time.Millisecond, 1e6)
	if d.r.rate >= 0 || d.r.left != 0 {
		t.Errorf("a rate of %d, %s left, after half a second", d.r.rate, d.r.left)
	}
	d.run(10*time.Second, 100*time.Millisecond, 1e6)
	if !near(d.r.rate, 10e6) || !near(d.r.onWire, 5e6) || !near(int64(d.r.left.Seconds()), 89) {
		t.Errorf("%d B/s, %d B/s on the wire, %s left", d.r.rate, d.r.onWire, d.r.left)
	}
	d.run(6*time.Second, 100*time.Millisecond, 2e6)
	if !near(d.r.rate, 20e6) {
		t.Errorf("%d B/s after it was twice as fast for 6 s", d.r.rate)
	}
	d.p.Unsent.Store(30e6)
	if r := d.g.read(d.now); r.done != d.p.Done.Load()-30e6 {
		t.Errorf("%d of %d have gone out", r.done, d.p.Done.Load())
	}
}

func TestStalled(t *testing.T) {
	d := newDrive(1e9)
	d.run(4*time.Second, 100*time.Millisecond, 1e6)
	d.run(2900*time.Millisecond, 100*time.Millisecond, 0)
	if d.r.stalled > 0 {
		t.Error("stalled before 3 s")
	}
	if !near(d.r.rate, 4.2e6) {
		t.Errorf("%d B/s after 2.9 s without a byte", d.r.rate)
	}
	d.run(2*time.Second, 100*time.Millisecond, 0)
	if d.r.stalled < 4*time.Second || d.r.rate >= 0 || d.r.left != 0 {
		t.Errorf("stalled for %s, %d B/s, %s left", d.r.stalled, d.r.rate, d.r.left)
	}
	d.run(3*time.Second, 100*time.Millisecond, 1e6)
	if d.r.stalled > 0 || !near(d.r.rate, 10e6) {
		t.Errorf("stalled for %s, %d B/s, after it moves again", d.r.stalled, d.r.rate)
	}
}

// TestLowEstimate moves more than the total, which is an estimate: the total stays, and
// the transfer does not seem to stall.
func TestLowEstimate(t *testing.T) {
	d := newDrive(10e6)
	d.run(10*time.Second, 100*time.Millisecond, 1e6)
	if d.r.done != 10e6 || d.r.total != 10e6 || d.r.stalled > 0 || !near(d.r.rate, 10e6) || d.r.left != 0 {
		t.Errorf("%d of %d, %d B/s, stalled for %s, %s left", d.r.done, d.r.total, d.r.rate, d.r.stalled, d.r.left)
	}
}

// A line that gives a block every 8 s is slow, and not stalled all the time.
func TestSlowIsNotStalled(t *testing.T) {
	d := newDrive(1e9)
	for range 3 {
		d.run(7900*time.Millisecond, 100*time.Millisecond, 0)
		d.run(100*time.Millisecond, 100*time.Millisecond, 1e6)
	}
	stalled := false
	for range 4 {
		for range 79 {
			d.run(100*time.Millisecond, 100*time.Millisecond, 0)
			stalled = stalled || d.r.stalled > 0
		}
		d.run(100*time.Millisecond, 100*time.Millisecond, 1e6)
	}
	if stalled || !near(d.r.rate, 125e3) {
		t.Errorf("stalled %v, %d B/s", stalled, d.r.rate)
	}
}

// TestLine draws a transfer on terminals of many widths. No line reaches the last column.
func TestLine(t *testing.T) {
	host := strings.Repeat("long-host-name.", 20)
	m := &Meter{v: &Voice{Program: "imgsend"}, gauge: newGauge(&transfer.Progress{}), doing: Redialing,
		words: func(p transfer.Phase) string {
			if p == transfer.Moving {
				return "sending"
			}
			return host + " loads and verifies"
		},
		titles: func() []string { return []string{"webapp:1.0", "registry.example/shop/nginx:1.22"} }}
	moving := reading{phase: transfer.Moving, done: 41e6, total: 100e6, rate: 10e6, onWire: 4e6, left: 6 * time.Second, image: 2}
	for _, r := range []reading{
		moving,
		{phase: transfer.Moving, done: 0, total: 0, rate: -1, onWire: -1},
		{phase: transfer.Moving, done: 1e6, total: 2e6, rate: -1, onWire: -1, stalled: 5 * time.Second},
		{phase: transfer.Moving, lost: true, lasts: 40 * time.Second},
		{phase: transfer.Loading, lasts: 90 * time.Second},
		{phase: transfer.Loading, loaded: transfer.Loaded{Layers: 1, Of: 3, Bytes: 5, Total: 10}},
	} {
		for columns := 1; columns < 200; columns++ {
			var out strings.Builder
			s := screen{w: &out, width: func() int { return columns }}
			s.show(m.line(r, columns))
			shown := strings.TrimPrefix(out.String(), "\r")
			if n := len([]rune(shown)); n >= columns && columns > 1 {
				t.Fatalf("%d of %d columns: %q", n, columns, shown)
			}
		}
	}
	if got := m.line(moving, 140); !strings.HasPrefix(got, "imgsend: sending image 2 of 2: 41.0 MB of 100 MB in all, 10.0 MB/s (4.0 MB/s on the wire), 6 s left, registry.example/shop/nginx:1.22") {
		t.Errorf("it says %q", got)
	}
	moving.image = 0
	if got := m.line(moving, 150); !strings.HasPrefix(got, "imgsend: sending: 41.0 MB of 100 MB, ") || !strings.HasSuffix(got, "|█████████               |") {
		t.Errorf("it says %q", got)
	}
}

// TestScreen replaces a long line by a short one, on a terminal that has shrunk.
func TestScreen(t *testing.T) {
	var out strings.Builder
	columns := 20
	s := screen{w: &out, width: func() int { return columns }}
	s.clear()
	s.show("abcdefghij")
	s.show("xyz")
	columns = 5
	s.show("0123456789")
	s.clear()
	s.clear()
	if want := "\rabcdefghij\rxyz       \r012…\r    \r"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// TestRows has the rows of two receivers, and a word that comes in between.
func TestRows(t *testing.T) {
	var out strings.Builder
	s := screen{w: &out, width: func() int { return 20 }, controls: true}
	s.showRow("a", "first")
	s.showRow("b", "second")
	s.showRow("a", "a line that is too long for it")
	s.clear()
	s.showRow("b", "2")
	s.clear()
	s.removeRow("a")
	s.showRow("b", "3")
	s.clear()
	want := "\rfirst" + "\r     \r" + "\rfirst\x1b[K\n\rsecond\x1b[K" +
		"\x1b[1A\ra line that is too…\x1b[K\n\rsecond\x1b[K" +
		"\x1b[1A\r\x1b[J" + "\ra line that is too…\x1b[K\n\r2\x1b[K" +
		"\x1b[1A\r\x1b[J" + "\r3" + "\r \r"
	if out.String() != want {
		t.Errorf("%q,\nwant %q", out.String(), want)
	}
}

// TestRowsWithoutControls shows the first of several receivers alone.
func TestRowsWithoutControls(t *testing.T) {
	var out strings.Builder
	s := screen{w: &out, width: func() int { return 20 }}
	s.showRow("a", "first")
	s.showRow("b", "second")
	s.clear()
	s.removeRow("a")
	s.showRow("b", "2nd")
	if want := "\rfirst\rfirst\r     \r\r2nd"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// TestWrapped shrinks a terminal that wraps the line into three rows, which are erased.
func TestWrapped(t *testing.T) {
	var out strings.Builder
	columns := 20
	s := screen{w: &out, width: func() int { return columns }, wraps: true}
	s.show("abcdefghijkl")
	s.show("xyz") // with spaces behind it
	columns = 5
	s.show("0123")
	s.show("45")
	columns = 3
	s.clear()
	s.show("6")
	if want := "\rabcdefghijkl\rxyz         \r\x1b[2K\x1b[A\x1b[2K\x1b[A\x1b[2K\r0123\r45  \r\x1b[2K\x1b[A\x1b[2K\r6"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// TestWorking shows on a terminal what takes its time, and leaves nothing of it there.
func TestWorking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		v := NewTerminal(&out, func() int { return 40 })
		done := v.Working("the engine commits")
		time.Sleep(2500 * time.Millisecond)
		v.Sayf("a word")
		time.Sleep(time.Second)
		done()
		done()
		shown := out.String()
		if !strings.Contains(shown, "\rimgsend: the engine commits, 2 s ") || !strings.Contains(shown, "\rimgsend: a word\n") || !strings.HasSuffix(shown, "\r"+strings.Repeat(" ", 34)+"\r") {
			t.Errorf("%q", shown)
		}
	})
}
