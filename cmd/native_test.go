package cmd_test

import (
	"context"
	"os"
	"os/exec"

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

// ctr NAME ARG... runs containerd's own client, and writes what it prints to
// ctr.out.
func cmdCtr(ts *testscript.TestScript, _ bool, args []string) {
	argv := ts.Value(nativesKey{}).(map[string]*throwaway.Engine)[args[0]].Ctr(args[1:]...)
	ctx, cancel := context.WithTimeout(context.Background(), jobTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("ctr.out"), out, 0o600))
}
