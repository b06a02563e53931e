package door

import (
	"bufio"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
)

// TestOneQuestion connects a second stranger while the user is asked about the first. The
// second stranger may disconnect, and the user is asked about a third one after the first has
// an answer.
func TestOneQuestion(t *testing.T) {
	typed, keyboard := pipe(t)
	shown, screen := pipe(t)
	stderr := os.Stderr
	os.Stderr = screen
	v := cli.NewVoice("imgrecv")
	os.Stderr = stderr
	c := newConsole(v, typed)
	screenLines := bufio.NewReader(shown)
	asked := func(host string) {
		t.Helper()
		if s, err := screenLines.ReadString(')'); err != nil || !strings.Contains(s, "accept? [y/N] ("+host+", peer ") {
			t.Fatalf("the screen shows %q, %v", s, err)
		}
	}
	type answer struct {
		yes bool
		err error
	}
	ask := func(ctx context.Context, host string) chan answer {
		out := make(chan answer, 1)
		go func() {
			yes, err := c.accepts(ctx, peer.ID(host), host)
			out <- answer{yes, err}
		}()
		return out
	}
	first := ask(t.Context(), "alpha")
	asked("alpha")
	ctx, cancel := context.WithCancel(t.Context())
	second := ask(ctx, "beta")
	cancel()
	if a := <-second; a.yes || !errors.Is(a.err, context.Canceled) {
		t.Errorf("the second one hears %v", a)
	}
	third := ask(t.Context(), "gamma")
	if _, err := keyboard.WriteString("y\n"); err != nil {
		t.Fatal(err)
	}
	if a := <-first; !a.yes || a.err != nil {
		t.Errorf("the first one hears %v", a)
	}
	asked("gamma")
	if _, err := keyboard.WriteString("n\n"); err != nil {
		t.Fatal(err)
	}
	if a := <-third; a.yes || a.err != nil {
		t.Errorf("the third one hears %v", a)
	}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Close()
		r.Close()
	})
	return r, w
}
