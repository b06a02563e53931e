package conformance_test

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/containerd"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
)

// A nativeEnd is a containerd with nothing but the images of the suite.
type nativeEnd struct {
	*containerd.Store
	running *throwaway.Engine
}

func startNative(t *testing.T, spec throwaway.Spec) *nativeEnd {
	t.Helper()
	e := &nativeEnd{running: throwawaytest.Start(t, spec)}
	var err error
	if e.Store, err = containerd.Open(t.Context(), e.running.Host(), "test", "default"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func (e *nativeEnd) source(t *testing.T, refs ...string) transfer.Source {
	t.Helper()
	var reqs []store.Request
	for _, r := range refs {
		reqs = append(reqs, store.Request{Image: r})
	}
	src, err := e.Source(t.Context(), reqs, store.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func (e *nativeEnd) sink(t *testing.T) transfer.Sink {
	t.Helper()
	dst, err := e.Sink(t.Context(), store.SinkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return dst
}

// files reads the snapshot that the layers were unpacked to.
func (e *nativeEnd) files(t *testing.T, ref string) tree {
	t.Helper()
	const at = "/run/mnt"
	argv := e.running.Ctr("images")
	inside := argv[:slices.Index(argv, "ctr")] // what leads into the engine
	run(t, append(slices.Clone(inside), "mkdir", "-p", at))
	run(t, e.running.Ctr("images", "mount", "docker.io/library/"+ref, at))
	defer run(t, e.running.Ctr("images", "unmount", "--rm", at))
	all := tree{}
	all.apply(t, bytes.NewReader(run(t, append(slices.Clone(inside), "tar", "--xattrs", "--xattrs-include=*", "-C", at, "-c", "."))))
	return all
}

func (e *nativeEnd) clear(t *testing.T) {
	t.Helper()
	if names := strings.Fields(string(run(t, e.running.Ctr("images", "list", "-q")))); len(names) > 0 {
		run(t, e.running.Ctr(append([]string{"images", "remove", "--sync"}, names...)...))
	}
}

// run runs a command and returns what it writes to its stdout.
func run(t *testing.T, argv []string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s", argv, err, stderr.String())
	}
	return out
}
