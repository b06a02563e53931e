package reach

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	"golang.org/x/term"
)

// CodeVariable is the environment variable where scripts put a code, so that it is in no process list.
const CodeVariable = "IMGSEND_CODE"

// Target returns the peer that the way's flag names as text, or else [CodeVariable], or else what the
// user types. A code is overwritten in the arguments.
func (w Way) Target(ctx context.Context, v *cli.Voice, text string) (peer.Target, error) {
	text, err := w.text(ctx, v, text)
	if err != nil {
		return peer.Target{}, err
	}
	text = strings.Clone(text)
	t, err := peer.ParseTarget(text)
	if !t.Code.IsZero() || errors.Is(err, peer.ErrBadCode) {
		HideArgument(text)
	}
	return t, err
}

// text returns what names the peer.
func (w Way) text(ctx context.Context, v *cli.Voice, text string) (string, error) {
	if text != "" && text != "-" {
		return text, nil
	}
	if code := os.Getenv(CodeVariable); code != "" && (text == "" || !onTerminal()) {
		return code, nil
	}
	return w.ask(ctx, v, "code or name of the other host:")
}

// An Asker lets several Reachers that work at the same time ask the user one after the other.
// [CodeVariable] has the code of one host at most.
type Asker struct {
	mu   sync.Mutex
	used bool // what CodeVariable has
}

// code returns what CodeVariable has, unless it is used up.
func (a *Asker) code() (string, error) {
	code := os.Getenv(CodeVariable)
	if code != "" && a.used {
		return "", &cli.UsageError{Err: fmt.Errorf("several hosts are new here, and %s has the code of one", CodeVariable)}
	}
	a.used = true
	return code, nil
}

// codeOf returns the code for a new host at an address: IMGSEND_CODE, or what the user
// types.
func (r *Reacher) codeOf(ctx context.Context, t peer.Target) (string, error) {
	if r.Asker != nil {
		r.Asker.mu.Lock()
		defer r.Asker.mu.Unlock()
	}
	code, err := cmp.Or(r.Asker, new(Asker)).code()
	if code != "" || err != nil {
		return code, err
	}
	text, err := r.Way.ask(ctx, r.Voice, "a new host; its code:")
	if errors.As(err, new(*unasked)) {
		err = &cli.UsageError{Err: fmt.Errorf("the host at %s is new here: give the code that %s shows there, as %s CODE@%[1]s or in %s, or its address with /p2p/",
			t, r.Way.Waiting, r.Way.Flag, CodeVariable)}
	}
	return text, err
}

// An unasked says that the user is to name the other host and cannot be asked.
type unasked struct{ Way }

func (u *unasked) Error() string {
	return u.Aim + " " + u.Flag + " PEER, or a code in " + CodeVariable + "; " + u.Waiting + " on the other host shows both"
}

// onTerminal reports whether the user can be asked.
func onTerminal() bool {
	return term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd()))
}

// ask asks for a line on the terminal.
func (w Way) ask(ctx context.Context, v *cli.Voice, question string) (string, error) {
	if !onTerminal() {
		return "", &cli.UsageError{Err: &unasked{w}}
	}
	v.Ask(question)
	typed := make(chan string, 1)
	go func() { // a read from a terminal cannot be interrupted
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		typed <- strings.TrimSpace(line)
	}()
	select {
	case line := <-typed:
		if line == "" {
			return "", &cli.UsageError{Err: errors.New("no code and no name")}
		}
		return line, nil
	case <-ctx.Done():
		v.EndLine()
		return "", ctx.Err()
	}
}
