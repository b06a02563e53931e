package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
)

// The rival with a registry, once with the docker CLI and once without, between
// engines of either store. In each scenario it moves what the receiver lacks.
func TestRegistry(t *testing.T) {
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip(err)
	}
	specs := slices.DeleteFunc(throwawaytest.Specs(t), func(s throwaway.Spec) bool { return s.Kind != throwaway.Docker })
	if len(specs) == 0 {
		t.Skip("no Docker Engine can be started here")
	}
	engines := []string{lab.Newest(specs)}
	if i := slices.IndexFunc(specs, func(s throwaway.Spec) bool { return s.Containerd }); i >= 0 {
		engines = append(engines, specs[i].Name)
	}
	for i, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			o, folder := small(t, "-from", engine, "-rivals", "none", "-rounds", "2", "-registry", program)
			if i > 0 {
				hideDockerCLI(t)
			}
			checkRegistryRuns(t, measure(t, o, folder), o.size)
		})
	}
}

func checkRegistryRuns(t *testing.T, r *report, size int64) {
	t.Helper()
	base, next := makeImages(size)
	layer := next.Size() - base.Size() // does not compress
	random := base.Layers[2].Size
	limits := map[string][2]int64{
		cold.title(base, next):     {random, base.Size() + 200_000},
		oneLayer.title(base, next): {layer, layer + 100_000},
		nothing.title(base, next):  {1, 100_000},
	}
	var runs int
	for _, s := range r.series {
		if !strings.HasPrefix(s.contender, pushPart) {
			continue
		}
		for _, x := range s.samples {
			runs++
			if limit := limits[s.scenario]; x.wire < limit[0] || x.wire > limit[1] {
				t.Errorf("%s, %s: %d bytes on the wire, want %d", s.scenario, s.contender, x.wire, limit)
			}
			if x.part <= 0 || x.took < x.part || s.rival == (x.took == x.part) {
				t.Errorf("%s, %s: %v, of these %v for the push", s.scenario, s.contender, x.took, x.part)
			}
		}
	}
	if want := 2 * 2 * len(limits); runs != want { // whole and part, two rounds
		t.Errorf("%d runs are reported, want %d", runs, want)
	}
}

// What is no registry is an error before anything is measured.
func TestNoRegistry(t *testing.T) {
	for program, want := range map[string]string{"true": "the registry ended at once", "false": "the registry ended at once"} {
		o, folder := small(t, "-rivals", "none", "-registry", program)
		if _, err := run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", program, err)
		}
		checkClean(t, folder)
	}
}

func TestRollBack(t *testing.T) {
	r := &registryServer{folder: t.TempDir()}
	write := func(names ...string) {
		for _, name := range names {
			path := filepath.Join(r.storage(), name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("blobs/a/data", "tags/1/link")
	if err := r.keep(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		write("blobs/b/data", "blobs/a/more", "tags/2/index/link", "tags/1/link")
		if err := r.rollBack(); err != nil {
			t.Fatal(err)
		}
		for pattern, want := range map[string]string{"*": "blobs tags", "*/*": "a 1", "*/*/*": "data link", "*/*/*/*": ""} {
			paths, _ := filepath.Glob(filepath.Join(r.storage(), pattern))
			for i := range paths {
				paths[i] = filepath.Base(paths[i])
			}
			if got := strings.Join(paths, " "); got != want {
				t.Errorf("%s: %q, want %q", pattern, got, want)
			}
		}
	}
}

// What goes wrong at the receiver, or on the way there, is in the error.
func TestFarCommand(t *testing.T) {
	ssh := filepath.Join(t.TempDir(), "ssh")
	for _, tc := range []struct{ ssh, remote, want string }{
		{`exec sh -c "$6"`, "echo noise", ""},
		{`exec sh -c "$6"`, "echo no space left >&2; false", "before it is done: no space left failed"},
		{`exec sh -c "$6"`, "kill -9 $$", "before it is done"},
		{"echo cannot listen >&2; exit 255", "true", "before it is ready: cannot listen"},
	} {
		if err := os.WriteFile(ssh, []byte("#!/bin/sh\n"+tc.ssh+"\n"), 0o700); err != nil { //nolint:gosec // is to be run
			t.Fatal(err)
		}
		c := &viaRegistry{server: &sshServer{client: stage{ssh, "host"}}}
		far, err := c.connect(t.Context(), tc.remote)
		if err == nil {
			err = far.goOn()
			far.Kill()
		}
		if (tc.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s, %s: error %v, want %q", tc.ssh, tc.remote, err, tc.want)
		}
	}
}
