package wire_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
)

// TestFeatures has the two sides say of themselves what this version does not,
// or what it knows and the other does not: they talk all the same.
func TestFeatures(t *testing.T) {
	checkLeaks(t)
	for name, change := range map[string]func(wireFrame) []byte{
		"none":    replaced(`,"features":["deciding","many"]`, ``),
		"unknown": replaced(`["deciding","many"]`, `["resume","deciding","`+strings.Repeat("long", 1000)+`","\u001b[2J"]`),
		"many":    replaced(`["deciding","many"]`, `[`+strings.Repeat(`"a",`, 1000)+`"deciding"]`),
		"members": replaced(`"features"`, `"future":{"a":[1]},"features"`),
	} {
		for _, dir := range []direction{fromSender, fromReceiver} {
			t.Run(fmt.Sprintf("%c/%s", dir, name), func(t *testing.T) {
				var sender, receiver edit
				if dir == fromSender {
					sender = onFirst(tHello, change)
				} else {
					receiver = onFirst(tHello, change)
				}
				p := newTap(t, sender, receiver)
				r := transferRun{src: newSource(newImage("a:1", false, random(1, 1000))), dst: newSink(), out: p.out, in: p.in}
				r.do(t)
				if r.sendErr != nil || r.recvErr != nil {
					t.Errorf("sender: %v, receiver: %v", r.sendErr, r.recvErr)
				}
			})
		}
	}
}

// TestPeerFeatures checks what is kept of the words of the other side.
func TestPeerFeatures(t *testing.T) {
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprintf(`"word-%d"`, i))
	}
	for name, test := range map[string]struct {
		said string
		want []string
	}{
		"good":     {`["deciding","resume"]`, []string{"deciding", "resume"}},
		"control":  {`["a\u001bb","c\nd","ok"]`, []string{"ok"}},
		"too long": {`["` + strings.Repeat("x", 33) + `","` + strings.Repeat("y", 32) + `"]`, []string{strings.Repeat("y", 32)}},
		"too many": {"[" + strings.Join(many, ",") + "]", strings.Split(strings.ReplaceAll(strings.Join(many[:32], ","), `"`, ""), ",")},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := transfertest.TCP(t)
			hello := wireFrame{tHello, []byte(`{"protocol":1,"features":` + test.said + `}`)}
			go far.Write(hello.bytes())
			snd, err := wire.NewSender(t.Context(), near, wire.Hello{}, wire.StreamOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := snd.Peer().Features; !slices.Equal(got, test.want) {
				t.Errorf("kept %q, want %q", got, test.want)
			}
			f, err := readWireFrame(far)
			if err != nil || !bytes.Contains(f.body, []byte(`"features":["deciding","many"]`)) {
				t.Errorf("said %q, %v", f.body, err)
			}
			far.Close()
			_ = snd.Close(nil)
		})
	}
}
