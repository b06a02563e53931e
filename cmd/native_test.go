package cmd_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/rogpeppe/go-internal/testscript"
)

type nativesKey struct{}

// hasNative reports whether a containerd by itself can be started here.
func hasNative() bool {
	specs, _ := throwaway.AvailableNative(os.Getenv("IMGSEND_ENGINES"))
	return len(specs) > 0
}

// native NAME starts a containerd for the script, and sets NAME to its socket.
func cmdNative(ts *testscript.TestScript, _ bool, args []string) {
	specs, _ := throwaway.AvailableNative(os.Getenv("IMGSEND_ENGINES"))
	e, err := throwaway.Start(context.Background(), specs[0])
	ts.Check(err)
	ts.Defer(func() { _ = e.Stop() })
	ts.Value(nativesKey{}).(map[string]*throwaway.Engine)[args[0]] = e
	ts.Setenv(args[0], e.Socket())
}

// ctr NAME ARG... [<FILE] runs containerd's own client, with the file as its stdin, and
// writes what it prints to ctr.out.
func cmdCtr(ts *testscript.TestScript, _ bool, args []string) {
	var stdin io.Reader
	if file, ok := strings.CutPrefix(args[len(args)-1], "<"); ok {
		f, err := os.Open(ts.MkAbs(file))
		ts.Check(err)
		defer f.Close()
		stdin, args = f, args[:len(args)-1]
	}
	argv := ts.Value(nativesKey{}).(map[string]*throwaway.Engine)[args[0]].Ctr(args[1:]...)
	ctx, cancel := context.WithTimeout(context.Background(), jobTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = stdin
	out, err := cmd.Output()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("ctr.out"), out, 0o600))
}
