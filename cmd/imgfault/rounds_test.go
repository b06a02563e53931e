package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
)

// small is a trial of seconds, with its files in a folder of its own.
func small(t *testing.T, args ...string) (options, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts engines")
	}
	throwawaytest.Specs(t) // skips without any
	folder := throwawaytest.ShortDir(t)
	o, err := parseOptions(append([]string{"-size", "8MB", "-rate", "40mbit", "-longest", "5s"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	return o, folder
}

// checkClean fails if a trial left anything.
func checkClean(t *testing.T, folder string) {
	t.Helper()
	for _, pattern := range []string{folder + "/imgfault-*", folder + "/imgsend-tw-*", fmt.Sprintf("/run/netns/imgfault-%d-*", os.Getpid())} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left over: %q", left)
		}
	}
}

// TestRounds plays ten rounds between the newest engines of each kind.
func TestRounds(t *testing.T) {
	o, folder := small(t, "-seed", "3")
	rep, err := run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	checkClean(t, folder)
	t.Log(rep.markdown())
	if rep.violated() || len(rep.rounds) != o.rounds {
		t.Errorf("violations in %d rounds", len(rep.rounds))
	}
	struck := 0
	for _, r := range rep.rounds {
		if r.first.struck {
			struck++
		}
	}
	if struck < o.rounds/2 {
		t.Errorf("only %d faults came in time", struck)
	}
}

func TestInterrupted(t *testing.T) {
	o, folder := small(t, "-rounds", "1000")
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	if _, err := run(ctx, o); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("%v", err)
	}
	checkClean(t, folder)
}
