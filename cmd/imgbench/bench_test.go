package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
)

// The rivals' own save and load is this program started again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "api" {
		program.Main(command)
	}
	os.Exit(m.Run())
}

// small is a measurement of seconds, with its files in a folder of its own.
func small(t *testing.T, args ...string) (options, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts engines")
	}
	throwawaytest.Specs(t) // skips without any
	folder := throwawaytest.ShortDir(t)
	o, err := parseOptions(append([]string{"-size", "5MB", "-rounds", "1"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	return o, folder
}

// checkClean fails if a measurement left anything.
func checkClean(t *testing.T, folder string) {
	t.Helper()
	for _, pattern := range []string{folder + "/imgbench-*", folder + "/imgsend-tw-*", fmt.Sprintf("/run/netns/imgbench-%d-*", os.Getpid())} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left over: %q", left)
		}
	}
	threads, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range threads {
		if pids, _ := os.ReadFile(name); len(pids) > 0 {
			t.Errorf("processes left over: %s", pids)
		}
	}
}

// measure runs a measurement in which nothing may fail or be left.
func measure(t *testing.T, o options, folder string) *report {
	t.Helper()
	r, err := run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	checkClean(t, folder)
	t.Log(r.markdown())
	if r.failed() {
		t.Error("a contender failed")
	}
	return r
}

func TestEndToEnd(t *testing.T) {
	o, folder := small(t)
	r := measure(t, o, folder)
	if text := r.markdown(); !strings.Contains(text, "data: on disk") {
		t.Error(text)
	}
	base, next := makeImages(o.size)
	wire := map[string]int64{}
	for _, s := range r.series {
		if len(s.samples) != o.rounds {
			t.Errorf("%s, %s: %d samples", s.scenario, s.contender, len(s.samples))
		}
		if s.seconds() <= 0 || s.wire() <= 0 {
			t.Errorf("%s, %s: nothing is measured", s.scenario, s.contender)
		}
		// A plain archive is at least the image.
		if !strings.Contains(s.contender, "zstd") && s.rival && s.wire() < base.Size() {
			t.Errorf("%s, %s: %d bytes are less than the image", s.scenario, s.contender, s.wire())
		}
		if s.contender == "imgsend" {
			wire[s.scenario] = s.wire()
			if send, recv, _ := s.peaks(); send == 0 || recv == 0 {
				t.Errorf("%s: no memory is measured", s.scenario)
			}
		}
	}
	for _, floor := range []string{"(the line alone, for imgsend's bytes)", "(load of a local file)"} {
		if n := strings.Count(r.markdown(), floor); n != len(o.scenarios) {
			t.Errorf("%d rows for %s", n, floor)
		}
	}
	if n := wire[nothing.title(base, next)]; n > 64_000 {
		t.Errorf("nothing new, and %d bytes on the wire", n)
	}
	// Less than the layer, which does not compress, would mean that it was left
	// at the receiver from the run before.
	layer := next.Size() - base.Size()
	if n := wire[oneLayer.title(base, next)]; n < layer*9/10 || n > layer+100_000 {
		t.Errorf("a new layer of %d, and %d bytes on the wire", layer, n)
	}
}

// hideDockerCLI leaves in PATH only what imgbench cannot do without.
func hideDockerCLI(t *testing.T) {
	t.Helper()
	path := t.TempDir()
	for _, name := range []string{"cc", "gcc", "git", "go", "ip", "mkdir", "mount", "sh", "ss", "ssh", "ssh-keygen", "tc"} {
		if program, err := exec.LookPath(name); err == nil {
			if err := os.Symlink(program, filepath.Join(path, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("PATH", path)
}

// Without the docker CLI the program saves and loads itself.
func TestWithoutDockerCLI(t *testing.T) {
	o, folder := small(t, "-scenarios", "cold", "-rivals", "pipe,ssh", "-rate", "500mbit", "-data", "memory")
	hideDockerCLI(t)
	r := measure(t, o, folder)
	if text := r.markdown(); strings.Contains(text, "Without ") || !strings.Contains(text, "imgbench itself") || !strings.Contains(text, "500 Mbit/s") || !strings.Contains(text, "data: in memory") {
		t.Error(text)
	}
}

func TestInterrupted(t *testing.T) {
	for _, after := range []time.Duration{300 * time.Millisecond, 7 * time.Second} {
		o, folder := small(t, "-rounds", "1000")
		ctx, cancel := context.WithTimeout(t.Context(), after)
		defer cancel()
		if _, err := run(ctx, o); err == nil || ctx.Err() == nil {
			t.Errorf("after %v: %v", after, err)
		}
		checkClean(t, folder)
	}
}

// TestNative measures between two containerds, which have no Docker API.
func TestNative(t *testing.T) {
	specs := throwawaytest.NativeSpecs(t)
	o, folder := small(t, "-from", specs[0].Name, "-rivals", "ssh", "-scenarios", "layer,nothing", "-data", "memory")
	r := measure(t, o, folder)
	if text := r.markdown(); !strings.Contains(text, "From containerd ") || strings.Contains(text, "Without ") {
		t.Error(text)
	}
}
