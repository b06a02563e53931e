package docker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
)

// box is a container of a throwaway engine.
type box struct {
	t      *testing.T
	e      *throwaway.Engine
	api    *client.Client
	name   string
	base   throwaway.Image
	engine *docker.Engine
}

// newBox creates a container of an image of its own, not started. It is removed
// when the test ends.
func newBox(t *testing.T, e *throwaway.Engine, edit func(*container.Config, *container.HostConfig)) *box {
	t.Helper()
	b := newBoxUntidy(t, e, edit)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_ = b.api.ContainerKill(ctx, b.name, "KILL") // if it runs; a removal gives it ten seconds
		if err := b.api.ContainerRemove(ctx, b.name, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			t.Error(err)
		}
	})
	return b
}

// newBoxUntidy is newBox without the removal.
func newBoxUntidy(t *testing.T, e *throwaway.Engine, edit func(*container.Config, *container.HostConfig)) *box {
	t.Helper()
	sleeper, err := throwaway.Sleeper()
	if err != nil {
		t.Skip(err)
	}
	base, _ := versions(t.Name())
	base.Layers = append(base.Layers, sleeper)
	base.Cmd, base.Env = []string{"/sleep"}, []string{"PATH=/bin", "BASE=1"}
	load(t, e, base)
	api, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close() })
	config := &container.Config{Image: base.Ref, Cmd: []string{"/sleep"}}
	host := &container.HostConfig{NetworkMode: "none"}
	if edit != nil {
		edit(config, host)
	}
	b := &box{t: t, e: e, api: api, base: base, engine: open(t, e)}
	b.name = "box-" + base.Ref[:len(base.Ref)-len(":1.0")]
	if _, err := api.ContainerCreate(t.Context(), config, host, nil, nil, b.name); err != nil {
		t.Fatal(err)
	}
	return b
}

// enter brings the container into a state: "created", "running", "paused" or
// "exited".
func (b *box) enter(state string) {
	b.t.Helper()
	do := func(err error) {
		b.t.Helper()
		if err != nil {
			b.t.Fatal(err)
		}
	}
	if state == "created" {
		return
	}
	do(b.api.ContainerStart(b.t.Context(), b.name, container.StartOptions{}))
	switch state {
	case "paused":
		do(b.api.ContainerPause(b.t.Context(), b.name))
	case "exited":
		ended, errs := b.api.ContainerWait(b.t.Context(), b.name, container.WaitConditionNotRunning)
		do(b.api.ContainerKill(b.t.Context(), b.name, "KILL"))
		select {
		case <-ended:
		case err := <-errs:
			do(err)
		case <-time.After(20 * time.Second):
			b.t.Fatal("it does not end")
		}
	}
	b.want(state)
}

// want checks the container's state. Docker 26.1.5 has been seen to say
// "paused" for a moment after it has paused and unpaused a container: it hears
// of both once more.
func (b *box) want(state string) {
	b.t.Helper()
	got := ""
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		in, err := b.api.ContainerInspect(context.WithoutCancel(b.t.Context()), b.name)
		if err != nil {
			b.t.Fatal(err)
		}
		if got = in.State.Status; got == state {
			return
		}
	}
	b.t.Errorf("the container is %s, not %s", got, state)
}

// write puts a file into the container.
func (b *box) write(path, content string) {
	b.t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: 0o640, Size: int64(len(content)), ModTime: time.Unix(1600000000, 0)}); err != nil {
		b.t.Fatal(err)
	}
	_, _ = io.WriteString(tw, content)
	if err := tw.Close(); err != nil {
		b.t.Fatal(err)
	}
	if err := b.api.CopyToContainer(b.t.Context(), b.name, "/", &buf, container.CopyToContainerOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

// fill puts a file of so many bytes into the container.
func (b *box) fill(size int64) {
	b.t.Helper()
	pr, pw := io.Pipe()
	go func() {
		tw := tar.NewWriter(pw)
		err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "filler", Mode: 0o644, Size: size})
		if err == nil {
			_, err = io.CopyN(tw, zeros{}, size)
		}
		if err == nil {
			err = tw.Close()
		}
		pw.CloseWithError(err)
	}()
	if err := b.api.CopyToContainer(b.t.Context(), b.name, "/", pr, container.CopyToContainerOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// afterPause calls f once the container is paused. The returned function waits
// for that.
func (b *box) afterPause(f func()) (wait func()) {
	done := make(chan bool, 1)
	go func() {
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			in, err := b.api.ContainerInspect(b.t.Context(), b.name)
			if err == nil && in.State.Paused {
				f()
				done <- true
				return
			}
		}
		f()
		done <- false
	}()
	return func() {
		b.t.Helper()
		if !<-done {
			b.t.Error("the container was never seen paused")
		}
	}
}

// files returns the regular files of a container, by their paths, each with its
// mode and content.
func files(t *testing.T, api *client.Client, name string) map[string]string {
	t.Helper()
	body, err := api.ContainerExport(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	out := map[string]string{}
	for tr := tar.NewReader(body); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			out[strings.TrimPrefix(h.Name, "./")] = fmt.Sprintf("%o %d %x", h.Mode&0o7777, h.ModTime.Unix(), sha256.Sum256(b))
		}
	}
}

// imageFiles returns the regular files of an image.
func imageFiles(t *testing.T, e *throwaway.Engine, ref string) map[string]string {
	t.Helper()
	api, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	c, err := api.ContainerCreate(t.Context(), &container.Config{Image: ref, Cmd: []string{"/sleep"}}, &container.HostConfig{NetworkMode: "none"}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := api.ContainerRemove(t.Context(), c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			t.Error(err)
		}
	}()
	return files(t, api, c.ID)
}

func (b *box) find() *docker.Container {
	b.t.Helper()
	c, err := b.engine.Container(b.t.Context(), b.name)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func eachEngine(t *testing.T, test func(*testing.T, throwaway.Spec)) {
	for _, spec := range specs(t) {
		t.Run(spec.Name, func(t *testing.T) { test(t, spec) })
	}
}

func TestUnknownContainer(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		b := newBox(t, pool.Get(t, spec, "sender"), nil)
		for _, name := range []string{b.name + "x", b.name[:len(b.name)-1]} {
			_, err := b.engine.Container(t.Context(), name)
			wantError(t, err, transfer.KindEngine, "no container "+name+" in ")
			if h := hint(err); h != "did you mean "+b.name+"?" {
				t.Errorf("%s: hint %q", name, h)
			}
		}
		_, err := b.engine.Container(t.Context(), b.base.Ref)
		wantError(t, err, transfer.KindEngine, "no container "+b.base.Ref)
		if h := hint(err); !strings.Contains(h, "itself is an image") {
			t.Errorf("an image's name: hint %q", h)
		}
		for _, name := range []string{"", "a/b", "a b", "../json"} {
			_, err := b.engine.Container(t.Context(), name)
			wantError(t, err, transfer.KindUsage, "not a container name")
		}
		c := b.find()
		byID, err := b.engine.Container(t.Context(), c.ID[:12])
		if err != nil || byID.Name != b.name || byID.ID != c.ID {
			t.Errorf("by ID: %v, %v", byID, err)
		}
	})
}

func TestMounts(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		b := newBox(t, pool.Get(t, spec, "sender"), func(c *container.Config, h *container.HostConfig) {
			c.Volumes = map[string]struct{}{"/anon": {}}
			h.Binds = []string{"/tmp:/host", "pgdata:/var/lib/db"}
			h.Tmpfs = map[string]string{"/scratch": "size=1m"}
		})
		got := b.find().Mounts
		if len(got) != 4 || got[0].Kind != "volume" || got[0].Path != "/anon" || len(got[0].From) != 64 {
			t.Fatalf("mounts %v", got)
		}
		var words []string
		for _, m := range got[1:] {
			words = append(words, m.String())
		}
		if want := []string{"bind /tmp at /host", "tmpfs at /scratch", "volume pgdata at /var/lib/db"}; !slices.Equal(words, want) {
			t.Errorf("mounts %q, not %q", words, want)
		}
	})
}

// TestPausing checks when a container is paused for being read.
func TestPausing(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		b := newBox(t, pool.Get(t, spec, "sender"), nil)
		b.enter("running")
		for what, read := range map[string]func(noPause bool) error{
			"commit": func(noPause bool) error {
				m, err := b.find().Commit(t.Context(), docker.CommitOptions{NoPause: noPause})
				if err != nil {
					return err
				}
				return m.Remove(t.Context())
			},
			"flatten": func(noPause bool) error {
				src, err := b.find().Flatten(t.Context(), docker.FlattenOptions{NoPause: noPause})
				if err != nil {
					return err
				}
				return src.Close(nil)
			},
		} {
			for _, noPause := range []bool{true, false} {
				paused := b.watchPause()
				if err := read(noPause); err != nil {
					t.Fatal(err)
				}
				b.want("running")
				if got := paused(); got == noPause {
					t.Errorf("%s, not to pause: %v; paused: %v", what, noPause, got)
				}
			}
		}
	})
}

// watchPause watches the container from now on. The returned function says
// whether it has been paused.
func (b *box) watchPause() func() bool {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	got, errs := b.api.Events(ctx, events.ListOptions{})
	mark := func() string { // an event of our own, to know how far the stream is
		b.t.Helper()
		// Podman tells of what was before, too: no two marks are alike.
		name := strings.TrimSuffix(b.base.Ref, "1.0") + "mark-" + strings.ToLower(rand.Text())
		if err := b.api.ImageTag(b.t.Context(), b.base.Ref, name); err != nil {
			b.t.Fatal(err)
		}
		if _, err := b.api.ImageRemove(b.t.Context(), name, image.RemoveOptions{}); err != nil {
			b.t.Fatal(err)
		}
		return name
	}
	reach := func(name string, within time.Duration) (paused, reached bool) { // reads up to a mark
		b.t.Helper()
		for end := time.After(within); ; {
			select {
			case m := <-got:
				paused = paused || m.Type == events.ContainerEventType && m.Action == events.ActionPause
				if m.Type == events.ImageEventType && m.Action == events.ActionTag && strings.HasSuffix(m.Actor.Attributes["name"], name) {
					return paused, true
				}
			case err := <-errs:
				b.t.Fatal(err)
			case <-end:
				return paused, false
			}
		}
	}
	// Docker answers before it has begun to watch, so that a first mark may be missed.
	for tries := 20; ; tries-- {
		if _, reached := reach(mark(), time.Second); reached {
			break
		}
		if tries == 0 {
			b.t.Fatal("no events")
		}
	}
	return func() bool {
		b.t.Helper()
		defer cancel()
		paused, reached := reach(mark(), 20*time.Second)
		if !reached {
			b.t.Fatal("no more events")
		}
		return paused
	}
}
