package cli_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/cli/clitest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/opencontainers/go-digest"
)

// checkEvents checks output against the schema.
func checkEvents(t *testing.T, output []byte) {
	t.Helper()
	events, err := clitest.OpenEvents("events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := events.Check(output); err != nil {
		t.Error(err)
	}
}

// Scripts hear of a layer that vanishes at the receiver, for which the sender begins anew.
func TestFullRetryInJSON(t *testing.T) {
	var out, err bytes.Buffer
	tr := &cli.Transfer{Voice: cli.NewVoiceTo(&out, &err, true), Progress: &transfer.Progress{}, Side: "there", Act: "send",
		Words: transfer.Phase.String}
	base := transfertest.Random(1, 1000)
	dst := transfertest.NewSink(transfertest.NewImage("x:1", false, base))
	dst.Vanish = map[digest.Digest]bool{digest.FromBytes(base): true}
	src := transfertest.NewSource(transfertest.NewImage("app:1", false, base, transfertest.Random(2, 1000)))
	if _, err := tr.Copy(t.Context(), src, dst, transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	if want := `{"event":"retry","kind":"full","message":"layer ` + digest.FromBytes(base).String() + ` vanished"}` + "\n"; strings.Count(out.String(), want) != 1 {
		t.Errorf("no %s in\n%s", want, out.String())
	}
	if want := "imgsend: once more with every layer: layer "; !strings.Contains(err.String(), want) {
		t.Errorf("no %q in\n%s", want, err.String())
	}
	checkEvents(t, out.Bytes())
}

// What people read on stderr, scripts read too: without the words warning, note and error.
func TestWarningsInJSON(t *testing.T) {
	var out, err bytes.Buffer
	v := cli.NewVoiceTo(&out, &err, true)
	v.Warn(cli.WarnAnybody, "anybody may %s", "come")
	v.Note(cli.NoteMount, "/data is not part of the image")
	v.Fail(&transfer.Error{Kind: transfer.KindEngine, Remote: true, Err: errors.New("no space")})
	_, events, _ := strings.Cut(out.String(), "\n") // without start
	if want := `{"event":"warning","code":"anybody","message":"anybody may come"}
{"event":"warning","code":"mount","message":"/data is not part of the image"}
{"event":"error","code":6,"kind":"engine","side":"there","message":"the other side: no space"}
`; events != want {
		t.Errorf("events:\n%s\nwant:\n%s", events, want)
	}
	if want := "imgsend: warning: anybody may come\nimgsend: note: /data is not part of the image\nimgsend: error: the other side: no space\n"; err.String() != want {
		t.Errorf("words:\n%s\nwant:\n%s", err.String(), want)
	}
	checkEvents(t, out.Bytes())
}
