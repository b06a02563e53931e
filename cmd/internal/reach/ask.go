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

// CodeVariable is the environment variable in which scripts pass a code, so that it appears in
// no process list.
const CodeVariable = "IMGSEND_CODE"

// Target parses the peer that the way's flag names. If text is empty, it takes [CodeVariable],
// or else asks the user. If text is "-", it asks on a terminal and takes [CodeVariable]
// otherwise. It overwrites a code in the arguments of this process.
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

// text returns the text of the target, see Target.
func (w Way) text(ctx context.Context, v *cli.Voice, text string) (string, error) {
	if text != "" && text != "-" {
		return text, nil
	}
	if code := os.Getenv(CodeVariable); code != "" && (text == "" || !onTerminal()) {
		return code, nil
	}
	return w.ask(ctx, v, "code or name of the other host:")
}

// An Asker is shared by Reachers that run at the same time, so they ask the user one after the
// other. [CodeVariable] contains the code of one host at most.
type Asker struct {
	mu   sync.Mutex
	used bool // the code in CodeVariable was used
}

// code returns the code in [CodeVariable], or an error if it was used before. It returns "" if
// the variable is not set.
func (a *Asker) code() (string, error) {
	code := os.Getenv(CodeVariable)
	if code != "" && a.used {
		return "", &cli.UsageError{Err: fmt.Errorf("several hosts are new here, and %s has the code of one", CodeVariable)}
	}
	a.used = true
	return code, nil
}

// codeOf returns the code for a new host at an address: from [CodeVariable], or from the user.
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

// An unasked is the error if the user must name the other host and there is no terminal to ask
// on.
type unasked struct{ Way }

func (u *unasked) Error() string {
	return u.Aim + " " + u.Flag + " PEER, or a code in " + CodeVariable + "; " + u.Waiting + " on the other host shows both"
}

// onTerminal reports whether stdin and stderr are terminals, so the user can be asked.
func onTerminal() bool {
	return term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd()))
}

// ask reads one line from the terminal. It returns the error of ctx if that ends first.
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
