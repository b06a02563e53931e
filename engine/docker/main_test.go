package docker_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
)

// required is the matrix: the oldest and the newest of what is supported.
var required = []*regexp.Regexp{
	regexp.MustCompile(`^classic-20\.10$`),
	regexp.MustCompile(`^classic-26\.1$`),
	regexp.MustCompile(`^containerd-26\.1$`),
	regexp.MustCompile(`^classic-28\.`),
	regexp.MustCompile(`^containerd-28\.`),
	regexp.MustCompile(`^classic-29\.`),
	regexp.MustCompile(`^containerd-29\.`),
	regexp.MustCompile(`^podman-4\.`),
	regexp.MustCompile(`^podman-[5-9]\.`),
}

// The tests run on every engine of the matrix that can be started here. They
// say which ones could not; with IMGSEND_MATRIX=required that is a failure.
func TestMain(m *testing.M) {
	flag.Parse()
	specs, skipped := throwaway.Available(os.Getenv("IMGSEND_ENGINES"))
	code := 0
	for _, s := range skipped {
		fmt.Printf("engine %s skipped: %s\n", s.Name, s.Reason)
	}
	if os.Getenv("IMGSEND_MATRIX") == "required" {
		for _, want := range required {
			if !slices.ContainsFunc(specs, func(s throwaway.Spec) bool { return want.MatchString(s.Name) }) {
				fmt.Printf("an engine %s is required and cannot run here\n", want)
				code = 1
			}
		}
	}
	if code == 0 {
		code = m.Run()
	}
	pool.Stop()
	os.Exit(code)
}

func specs(t *testing.T) []throwaway.Spec {
	t.Helper()
	all, skipped := throwaway.Available(os.Getenv("IMGSEND_ENGINES"))
	if len(all) == 0 {
		t.Skipf("no engine can be started here: %v", skipped)
	}
	return all
}

// eachPair runs a test for pairs of engines, those of [throwawaytest.Pairs].
func eachPair(t *testing.T, test func(t *testing.T, from, to throwaway.Spec)) {
	names, byName := named(t)
	eachOf(t, throwawaytest.Pairs(names, names, throwawaytest.Family), byName, test)
}

// fewPairs runs a test for those of [throwawaytest.Few].
func fewPairs(t *testing.T, test func(t *testing.T, from, to throwaway.Spec)) {
	names, byName := named(t)
	eachOf(t, throwawaytest.Few(names, names, throwawaytest.Family), byName, test)
}

func eachOf(t *testing.T, pairs [][2]string, byName map[string]throwaway.Spec, test func(t *testing.T, from, to throwaway.Spec)) {
	for _, p := range pairs {
		t.Run(p[0]+" to "+p[1], func(t *testing.T) { test(t, byName[p[0]], byName[p[1]]) })
	}
}

// named returns the names of the engines, in their order, and the engines.
func named(t *testing.T) (names []string, byName map[string]throwaway.Spec) {
	byName = map[string]throwaway.Spec{}
	for _, s := range specs(t) {
		names = append(names, s.Name)
		byName[s.Name] = s
	}
	return names, byName
}

var pool throwawaytest.Pool

func start(t *testing.T, s throwaway.Spec) *throwaway.Engine {
	t.Helper()
	e, err := throwaway.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func open(t *testing.T, e *throwaway.Engine) *docker.Engine {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := docker.Find(ctx, e.Host())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// load puts images into an engine as they would be there after a build or, in
// a containerd store, a pull.
func load(t *testing.T, e *throwaway.Engine, imgs ...throwaway.Image) {
	t.Helper()
	l := throwaway.Load
	if e.Spec().Containerd {
		l = throwaway.LoadPulled
	}
	if err := l(t.Context(), e, imgs...); err != nil {
		t.Fatal(err)
	}
}

var allImages = image.ListOptions{All: true}

func hint(err error) string {
	var e *transfer.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}
