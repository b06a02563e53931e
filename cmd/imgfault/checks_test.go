package main

import (
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
)

// TestFinds brings engines into states that no fault may leave, and expects each to be
// found, and nothing else.
func TestFinds(t *testing.T) {
	if testing.Short() {
		t.Skip("starts engines")
	}
	specs := throwawaytest.Specs(t)
	for _, name := range newestOfEach(specs) {
		for _, spec := range specs {
			if spec.Name == name {
				t.Run(name, func(t *testing.T) { testFinds(t, throwawaytest.Start(t, spec)) })
			}
		}
	}
}

func testFinds(t *testing.T, e *throwaway.Engine) {
	ctx := t.Context()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	o, err := parseOptions(strings.Fields("-size 1MB -engines a-1"))
	if err != nil {
		t.Fatal(err)
	}
	p := planRound(o, 1)
	p.image, p.container = makeImage(o, 1), false
	load := func(ref string, layers ...throwaway.Layer) func() {
		return func() {
			if err := throwaway.Load(ctx, e, throwaway.Image{Ref: ref, Layers: layers, Cmd: p.image.Cmd}); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(ref string) func() {
		return func() {
			if _, err := c.ImageRemove(ctx, ref, image.RemoveOptions{Force: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	whole := load(p.image.Ref, p.image.Layers...)
	ends := func(send, recv string) *result { return &result{outcome: outcome{send, recv}} }
	sends := func(bytes int64) *result { return &result{outcome: success, wire: bytes} }
	nothing := func() {}

	for _, tc := range []struct {
		name        string
		fault       string
		first, next *result
		make, undo  func()
		want        string // in what is found, "" if nothing
	}{
		{"all is well", "link", ends("0", "0"), sends(9000), whole, nothing, ""},
		{"status", "link", ends("7", "0"), sends(9000), nothing, nothing, "which link does not allow"},
		{"next status", "link", ends("0", "0"), ends("7", "7"), nothing, nothing, "the next try: imgsend ended with 7"},
		{"sent again", "link", ends("0", "0"), sends(1e6), nothing, nothing, "the next try sent 1.0 MB where 0 B"},
		{"named and failed", "term-send", ends("130", "7"), sends(9000), nothing, nothing, "imgrecv ended with 7, and the image has a name"},
		{"temporary name", "term-send", ends("0", "0"), sends(9000), load("temporary:1", p.image.Layers...), remove("temporary:1"), "engine has the name temporary:1"},
		{"temporary name after a kill", "kill-send", ends("0", "0"), sends(9000), load("temporary:1", p.image.Layers...), remove("temporary:1"), "after the next try the receiving engine has the names"},
		{"other layers", "link", ends("0", "0"), sends(9000), load(p.image.Ref, p.image.Layers[0]), whole, "at the receiver has layers"},
		{"prefix", "link", ends("0", "0"), sends(9000), nothing, nothing, "images without a name"},
		{"not named", "link", ends("0", "0"), nil, remove(p.image.Ref), nothing, "the image has no name"},
	} {
		tc.make()
		r := &round{plan: p, first: tc.first, next: tc.next}
		r.fault = findFault(tc.fault)
		x := &trial{site: &lab.Site{Folder: t.TempDir()}}
		if err := x.checkAfterFault(ctx, r, e, e); err != nil {
			t.Fatal(err)
		}
		if tc.next != nil {
			if err := x.checkAfterNext(ctx, r, e, e); err != nil {
				t.Fatal(err)
			}
		}
		found := strings.Join(r.found, "\n")
		if tc.want == "" && found != "" || !strings.Contains(found, tc.want) {
			t.Errorf("%s: found %q, want %q", tc.name, found, tc.want)
		}
		tc.undo()
	}
	checkPaused(t, e, c, p)
}

// checkPaused expects a paused container to be found.
func checkPaused(t *testing.T, e *throwaway.Engine, c *client.Client, p plan) {
	sleeper, err := throwaway.Sleeper()
	if err != nil {
		t.Skip(err)
	}
	ctx := t.Context()
	if err := throwaway.Load(ctx, e, throwaway.Image{Ref: p.image.Ref, Layers: []throwaway.Layer{sleeper}, Cmd: []string{"/sleep"}}); err != nil {
		t.Fatal(err)
	}
	made, err := c.ContainerCreate(ctx, &container.Config{Image: p.image.Ref}, &container.HostConfig{NetworkMode: "none"}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, paused := range []bool{false, true} {
		if paused {
			if err := c.ContainerPause(ctx, made.ID); err != nil {
				t.Fatal(err)
			}
		}
		r := &round{plan: p}
		if _, err := (&trial{site: &lab.Site{Folder: t.TempDir()}}).checkHost(ctx, r, sendingHost, e, false); err != nil {
			t.Fatal(err)
		}
		if found := strings.Join(r.found, "\n"); strings.Contains(found, "paused") != paused {
			t.Errorf("found %q", found)
		}
	}
}
