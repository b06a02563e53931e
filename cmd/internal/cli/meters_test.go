package cli

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// TestTwoMeters has a second transfer run for a while beside the first: the screen is
// the second one's until it ends.
func TestTwoMeters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shown bytes.Buffer
		v := NewTerminal(&shown, func() int { return 80 })
		start := func(name string) *Transfer {
			tr := &Transfer{Voice: v, Progress: &transfer.Progress{}, Side: "here", From: Sender{Name: name},
				Words: func(transfer.Phase) string { return "receiving" }}
			tr.StartMeter()
			return tr
		}
		// screen returns what is shown within a second.
		screen := func() string {
			v.mu.Lock()
			shown.Reset()
			v.mu.Unlock()
			time.Sleep(time.Second)
			v.mu.Lock()
			defer v.mu.Unlock()
			return shown.String()
		}
		expect := func(want, not string) {
			t.Helper()
			if s := screen(); !strings.Contains(s, "imgsend: from "+want+": receiving") || strings.Contains(s, not) {
				t.Errorf("the screen shows %q", s)
			}
		}
		first := start("alpha")
		expect("alpha", "beta")
		second := start("beta")
		expect("beta", "alpha")
		second.stopMeter()
		expect("alpha", "beta")
		third := start("gamma")
		first.stopMeter()
		expect("gamma", "alpha")
		third.stopMeter()
		if s := screen(); s != "" {
			t.Errorf("the screen shows %q", s)
		}
	})
}
