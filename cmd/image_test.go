package cmd_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/rogpeppe/go-internal/testscript"
)

// image NAME[:TAG] MB... puts an image with layers of these sizes into engine A.
// Its lower layers are those of the images of the same NAME and sizes. With
// "arch=s390x" before the sizes it is for that architecture.
func (p *pair) image(ts *testscript.TestScript, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: image NAME[:TAG] [arch=ARCH] MB...")
	}
	repo, _, _ := strings.Cut(args[0], ":")
	m := throwaway.Image{Ref: args[0], Cmd: []string{"/" + args[0]}}
	sizes := args[1:]
	if arch, ok := strings.CutPrefix(sizes[0], "arch="); ok {
		m.Arch, sizes = arch, sizes[1:]
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(repo))
	for i, s := range sizes {
		mb, err := strconv.ParseFloat(s, 64)
		ts.Check(err)
		seed := h.Sum64() + uint64(i)
		if i == len(sizes)-1 { // the top layer is the tag's own
			_, _ = h.Write([]byte(args[0]))
			seed = h.Sum64()
		}
		m.Layers = append(m.Layers, throwaway.Layer{Size: int64(mb * 1e6), Seed: seed, Kind: throwaway.Text, Files: 3})
	}
	ts.Check(throwaway.Load(context.Background(), p.a, m))
	ts.Setenv("ID", m.ID())
}

// container NAME makes a container of that name in engine A, of an image NAME:base
// with two layers and the command /sleep, starts it, and puts the file /new of
// 100 kB into it.
func (p *pair) container(ts *testscript.TestScript, args []string) {
	sleeper, err := throwaway.Sleeper()
	ts.Check(err)
	name := args[0]
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	m := throwaway.Image{Ref: name + ":base", Cmd: []string{"/sleep"}, Env: []string{"A=b"}, Labels: map[string]string{"of": name},
		Layers: []throwaway.Layer{{Size: 2e6, Seed: h.Sum64(), Kind: throwaway.Text, Files: 3}, sleeper}}
	ctx, cancel := context.WithTimeout(context.Background(), jobTime)
	defer cancel()
	ts.Check(throwaway.Load(ctx, p.a, m))
	c, err := p.a.Client()
	ts.Check(err)
	ts.Defer(func() { _ = c.Close() })
	host := &container.HostConfig{NetworkMode: "none", Tmpfs: map[string]string{"/scratch": ""}}
	made, err := c.ContainerCreate(ctx, &container.Config{Image: m.Ref}, host, nil, nil, name)
	ts.Check(err)
	ts.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), jobTime)
		defer cancel()
		_ = c.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true})
	})
	ts.Check(c.ContainerStart(ctx, made.ID, container.StartOptions{}))
	var file bytes.Buffer
	tw := tar.NewWriter(&file)
	ts.Check(tw.WriteHeader(&tar.Header{Name: "new", Mode: 0o644, Size: 100_000}))
	_, err = tw.Write(bytes.Repeat([]byte("0123456789"), 10_000))
	ts.Check(errors.Join(err, tw.Close()))
	ts.Check(c.CopyToContainer(ctx, made.ID, "/", &file, container.CopyToContainerOptions{}))
}

// state NAME WORD checks the state of a container in engine A.
func (p *pair) state(ts *testscript.TestScript, args []string) {
	c, err := p.a.Client()
	ts.Check(err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), jobTime)
	defer cancel()
	in, err := c.ContainerInspect(ctx, args[0])
	ts.Check(err)
	if in.State.Status != args[1] {
		ts.Fatalf("%s is %s, not %s", args[0], in.State.Status, args[1])
	}
}

// settings NAME writes the settings of an image in engine B to settings.json.
func (p *pair) settings(ts *testscript.TestScript, args []string) {
	c, err := p.b.Client()
	ts.Check(err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), jobTime)
	defer cancel()
	in, err := c.ImageInspect(ctx, args[0])
	ts.Check(err)
	b, err := json.Marshal(map[string]any{"Config": in.Config, "Layers": len(in.RootFS.Layers), "Comment": in.Comment, "Author": in.Author})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("settings.json"), b, 0o600))
}

type ownKey struct{}

// own VAR starts an engine for this script alone and sets VAR to its address.
func (p *pair) own(ts *testscript.TestScript, args []string) {
	e, err := throwaway.Start(context.Background(), p.b.Spec())
	ts.Check(err)
	ts.Defer(func() { _ = e.Stop() })
	*ts.Value(ownKey{}).(**throwaway.Engine) = e
	ts.Setenv(args[0], e.Host())
}

// restart [killed] restarts the script's own engine, in order or after a crash.
func restart(ts *testscript.TestScript, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), jobTime)
	defer cancel()
	e := *ts.Value(ownKey{}).(**throwaway.Engine)
	if slices.Equal(args, []string{"killed"}) {
		ts.Check(e.Kill())
	}
	ts.Check(e.Restart(ctx))
}

// has NAME [ID] checks that engine B has an image of that name, or with ! that
// it has none.
func (p *pair) has(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: [!] has NAME [ID]")
	}
	c, err := p.b.Client()
	ts.Check(err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	in, err := c.ImageInspect(ctx, args[0])
	switch {
	case neg && err == nil:
		ts.Fatalf("%s is there: %s", args[0], in.ID)
	case !neg && err != nil:
		ts.Fatalf("%v", err)
	case len(args) == 2 && in.ID != args[1]:
		ts.Fatalf("%s is %s, not %s", args[0], in.ID, args[1])
	}
}

// clean checks that neither engine has an image without a name, or with one for a
// moment, but what another script's program has while it runs: that goes away.
func (p *pair) clean(ts *testscript.TestScript) {
	ctx, cancel := context.WithTimeout(context.Background(), jobTime)
	defer cancel()
	for _, e := range []*throwaway.Engine{p.a, p.b} {
		c, err := e.Client()
		ts.Check(err)
		defer c.Close()
		for left := unnamed(ctx, ts, c); len(left) > 0; {
			gone := map[string]bool{} // whose process is
			for id, pid := range left {
				gone[id] = processGone(pid)
			}
			now := unnamed(ctx, ts, c)
			maps.DeleteFunc(left, func(id string, _ int) bool { _, ok := now[id]; return !ok })
			for id, pid := range left {
				if gone[id] || ctx.Err() != nil {
					ts.Fatalf("left over: %s of process %d", id, pid)
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// temporaryTag is the tag of a temporary name: time, boot, PID namespace, process,
// chance.
var temporaryTag = regexp.MustCompile(`imgsend-[a-z]+:[0-9]+-[0-9a-f]+-[0-9]+-([0-9]+)-`)

// unnamed returns the images that have no name, or one for a moment, and whose
// process gave it: this one if that cannot be told.
func unnamed(ctx context.Context, ts *testscript.TestScript, c *client.Client) map[string]int {
	list, err := c.ImageList(ctx, image.ListOptions{All: true})
	ts.Check(err)
	out := map[string]int{}
	for _, m := range list {
		if len(m.RepoTags) == 0 {
			out[m.ID] = os.Getpid()
			continue
		}
		if tag := temporaryTag.FindStringSubmatch(m.RepoTags[0]); tag != nil {
			out[m.ID], err = strconv.Atoi(tag[1])
			ts.Check(err)
		}
	}
	return out
}
