package reach

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	"golang.org/x/term"
)

// CodeVariable is the environment variable where scripts put a code, so that it is in no process list.
const CodeVariable = "IMGSEND_CODE"

// Destination returns the peer that --to names, or else [CodeVariable], or else what the
// user types. A code is overwritten in the arguments.
func Destination(ctx context.Context, v *cli.Voice, to string) (peer.Target, error) {
	text, err := destination(ctx, v, to)
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

func destination(ctx context.Context, v *cli.Voice, to string) (string, error) {
	if to != "" && to != "-" {
		return to, nil
	}
	if code := os.Getenv(CodeVariable); code != "" && to == "" {
		return code, nil
	}
	return ask(ctx, v, "code or name of the other host:")
}

// codeOf returns the code for a new host at an address: IMGSEND_CODE, or what the user
// types.
func (r *Reacher) codeOf(ctx context.Context, t peer.Target) (string, error) {
	if code := os.Getenv(CodeVariable); code != "" {
		return code, nil
	}
	text, err := ask(ctx, r.Voice, "a new host; its code:")
	if errors.Is(err, errNoTerminal) {
		err = &cli.UsageError{Err: fmt.Errorf("the host at %s is new here: give the code that imgrecv shows there, as --to CODE@%[1]s or in %s, or its address with /p2p/",
			t, CodeVariable)}
	}
	return text, err
}

var errNoTerminal = errors.New("say where to send it with --to PEER, or a code in " + CodeVariable + "; imgrecv on the other host shows both")

// ask asks for a line on the terminal.
func ask(ctx context.Context, v *cli.Voice, question string) (string, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stderr.Fd())) {
		return "", &cli.UsageError{Err: errNoTerminal}
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
