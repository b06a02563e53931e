package throwaway_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
)

// TestNative imports images into containerd by itself, restarts it and stops it.
func TestNative(t *testing.T) {
	for _, spec := range throwawaytest.NativeSpecs(t) {
		t.Run(spec.Name, func(t *testing.T) {
			before := tree(t, spec.Root)
			e := throwawaytest.Start(t, spec)
			version := throwawaytest.Ctr(t, e, "version")
			_, number, _ := strings.Cut(spec.Name, "-")
			// The client's and the server's.
			if n := strings.Count(version, "Version:  "+number+"."); n != 2 {
				t.Errorf("%d programs of version %s:\n%s", n, number, version)
			}
			if list := throwawaytest.Ctr(t, e, "images", "list", "-q"); list != "" {
				t.Errorf("a new engine has the images %q", list)
			}
			if err := throwaway.Load(t.Context(), e, app); err != nil {
				t.Fatal(err)
			}
			if err := throwaway.LoadPulled(t.Context(), e, next); err != nil {
				t.Fatal(err)
			}
			checkNative(t, e)
			if err := e.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := e.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			checkNative(t, e)
			if _, err := e.Client(); err == nil {
				t.Error("containerd has a Docker API")
			}
			dir := folderOf(e)
			if len(processesOf(t, dir)) == 0 {
				t.Fatal("cannot find the engine's processes")
			}
			if err := e.Stop(); err != nil {
				t.Fatal(err)
			}
			checkGone(t, dir)
			if after := tree(t, spec.Root); after != before {
				t.Errorf("the system's folder has changed:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

// checkNative checks that both images are there, unpacked and complete.
func checkNative(t *testing.T, e *throwaway.Engine) {
	t.Helper()
	want := []string{"docker.io/library/app:1", "docker.io/library/app:2"}
	if list := strings.Fields(throwawaytest.Ctr(t, e, "images", "list", "-q")); !slices.Equal(list, want) {
		t.Errorf("images %q, not %q", list, want)
	}
	if n := len(strings.Fields(throwawaytest.Ctr(t, e, "images", "check", "-q"))); n != len(want) {
		t.Errorf("%d images are complete and unpacked", n)
	}
	// The layers of both, the common ones once.
	if snapshots := strings.Count(throwawaytest.Ctr(t, e, "snapshots", "list"), " Committed"); snapshots != len(next.Layers) {
		t.Errorf("%d layers are unpacked, not %d", snapshots, len(next.Layers))
	}
}

// TestNativeRequired checks that both versions of the matrix can run here, and
// that none of them is among the engines with a Docker API.
func TestNativeRequired(t *testing.T) {
	for _, spec := range throwawaytest.Specs(t) {
		if spec.Kind == throwaway.Native {
			t.Errorf("%s has no Docker API", spec.Name)
		}
	}
	if os.Getenv("IMGSEND_MATRIX") != "required" {
		t.Skip("IMGSEND_MATRIX is not \"required\"")
	}
	specs := throwawaytest.NativeSpecs(t)
	for _, want := range []string{`^native-1\.7$`, `^native-2\.`} {
		if !slices.ContainsFunc(specs, func(s throwaway.Spec) bool { return regexp.MustCompile(want).MatchString(s.Name) }) {
			t.Errorf("an engine %s is required and cannot run here", want)
		}
	}
}
