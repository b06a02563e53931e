package cli_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
)

// TestLoadingShown has an engine take its time with one of two layers: both screens and
// scripts see how far it is, once it tells.
func TestLoadingShown(t *testing.T) {
	for name, test := range map[string]struct {
		json         bool
		before, then string
	}{
		"plain": {false, "imgsend: alpha loads and verifies\n", "imgsend: alpha loads and verifies: 1 of 2 layers, 700 kB of 1.0 MB\n"},
		"json": {true, `{"event":"progress","phase":"loading","done":1000160,"total":1000160,"wire":0}` + "\n",
			`{"event":"progress","phase":"loading","done":1000160,"total":1000160,"wire":0,"loaded":{"layers":1,"of":2,"bytes":700000,"total":1000000}}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				v := cli.NewVoiceTo(&out, &out, test.json)
				tr := &cli.Transfer{Voice: v, Progress: &transfer.Progress{}, Side: "there", Act: "send", Silent: true,
					Words: func(transfer.Phase) string { return "alpha loads and verifies" }}
				tr.StartMeter()
				dst := transfertest.NewSink()
				dst.OnLoad = func(context.Context) error {
					time.Sleep(5 * time.Second)
					tr.Progress.SetLoaded(1, 2, 700_000)
					time.Sleep(5 * time.Second)
					return nil
				}
				m := transfertest.NewImage("app:1", false, transfertest.Random(1, 600_000), transfertest.Random(2, 400_000))
				if _, err := tr.Copy(t.Context(), transfertest.NewSource(m), dst, transfer.Options{}); err != nil {
					t.Fatal(err)
				}
				before, then, found := strings.Cut(out.String(), test.before)
				if !found || !strings.Contains(then, test.then) || strings.Contains(before, " of ") {
					t.Errorf("it says\n%s", out.String())
				}
			})
		})
	}
}
