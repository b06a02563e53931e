package cli_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
)

// TestVoiceOf has a voice speak of one of several receivers: people, results and events
// tell which one.
func TestVoiceOf(t *testing.T) {
	var out, err strings.Builder
	v := cli.NewVoiceTo(&out, &err, false)
	of := v.Of("box1")
	of.Sayf("a word")
	of.Result("webapp:2.0", "sha256:1")
	v.Sayf("of all")
	if got, want := err.String(), "imgsend: box1: a word\nimgsend: of all\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	if got, want := out.String(), "webapp:2.0 sha256:1 box1\n"; got != want {
		t.Errorf("result %q, want %q", got, want)
	}

	out.Reset()
	v = cli.NewVoiceTo(&out, &err, true)
	v.Of("box2").Event(cli.ConnectingEvent{Event: "connecting", To: "7"})
	v.Of("box2").Event(cli.DoneEvent{Event: "done"})
	v.Of("box2").Event(cli.ExportEvent{Event: "export"})
	v.Event(cli.DoneEvent{Event: "done"})
	var to []any
	for line := range strings.Lines(out.String()) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		to = append(to, e["to"])
	}
	if want := []any{nil, "box2", "box2", nil, nil}; len(to) != len(want) || to[1] != "box2" || to[2] != "box2" || to[0] != nil || to[3] != nil || to[4] != nil {
		t.Errorf("events to %v, want %v", to, want)
	}
}

// TestTable tells of receivers that ended in all ways.
func TestTable(t *testing.T) {
	var err strings.Builder
	cli.NewVoiceTo(nil, &err, false).Table([]cli.Received{
		{To: "box1", Report: &transfer.Report{Bytes: 20e6, Skipped: 592e6}, Took: 3 * time.Second},
		{To: "buildbox-2", Err: peer.ErrUnreachable, Took: 15 * time.Second},
		{To: "box3", Report: &transfer.Report{}, Err: &transfer.Error{Kind: transfer.KindEngine, Remote: true, Err: errors.New("disk full")}},
	})
	want := `imgsend: receiver    result         sent     already there  time
imgsend: box1        arrived        20.0 MB  592 MB         3.0 s
imgsend: buildbox-2  unreachable    -        -              15 s
imgsend: box3        engine failed  -        -              0.0 s
`
	if err.String() != want {
		t.Errorf("%s\nwant\n%s", err.String(), want)
	}
}

// TestSeveralError has the status of the first receiver that failed, and no hint twice.
func TestSeveralError(t *testing.T) {
	first := &transfer.Error{Kind: transfer.KindRefused, Err: errors.New("no"), Hint: "ask there"}
	e := &cli.SeveralError{Failed: 1, Of: 3, First: first}
	if cli.ExitCode(e) != cli.ExitRefused || cli.Hint(e, "imgrecv") != "" || e.Error() != "1 of 3 receivers failed" {
		t.Errorf("%d, %q, %q", cli.ExitCode(e), cli.Hint(e, "imgrecv"), e)
	}
	if e.Failed = 3; e.Error() != "all 3 receivers failed" {
		t.Errorf("%q", e)
	}
}
