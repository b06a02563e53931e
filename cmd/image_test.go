package cmd_test

import (
	"context"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/image"
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

type ownKey struct{}

// own VAR starts an engine for this script alone and sets VAR to its address.
func (p *pair) own(ts *testscript.TestScript, args []string) {
	e, err := throwaway.Start(context.Background(), p.b.Spec())
	ts.Check(err)
	ts.Defer(func() { _ = e.Stop() })
	*ts.Value(ownKey{}).(**throwaway.Engine) = e
	ts.Setenv(args[0], e.Host())
}

// restart restarts the script's own engine.
func restart(ts *testscript.TestScript) {
	ctx, cancel := context.WithTimeout(context.Background(), jobTime)
	defer cancel()
	ts.Check((*ts.Value(ownKey{}).(**throwaway.Engine)).Restart(ctx))
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

// clean checks that neither engine has an image without a name.
func (p *pair) clean(ts *testscript.TestScript) {
	for _, e := range []*throwaway.Engine{p.a, p.b} {
		c, err := e.Client()
		ts.Check(err)
		defer c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		list, err := c.ImageList(ctx, image.ListOptions{All: true})
		ts.Check(err)
		for _, m := range list {
			if len(m.RepoTags) == 0 || strings.Contains(m.RepoTags[0], "imgsend-") {
				ts.Fatalf("left over: %s %v", m.ID, m.RepoTags)
			}
		}
	}
}
