package docker_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
)

// sendFlat sends a flattened container to an engine.
func sendFlat(t *testing.T, src *rootfs.Source, to *throwaway.Engine) *transfer.Report {
	t.Helper()
	rep, err := transfer.Copy(t.Context(), src, docker.NewSink(open(t, to)), transfer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// TestFlatten flattens containers in every state, with all the settings that an
// image can have, and without.
func TestFlatten(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		for _, state := range statesOf(t, spec) {
			t.Run(state, func(t *testing.T) {
				from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
				b := newBox(t, from, func(c *container.Config, _ *container.HostConfig) {
					c.Entrypoint, c.Cmd = []string{"/sleep", "two words"}, []string{"a", "b c"}
					c.User, c.WorkingDir, c.StopSignal = "1234:5678", "/data", "SIGUSR1"
					c.Env, c.Labels = []string{"OWN=a b=c", "EMPTY="}, map[string]string{"org.example.own": "x y"}
					c.ExposedPorts = nat.PortSet{"8080/tcp": {}, "53/udp": {}}
					c.Volumes = map[string]struct{}{"/anon": {}}
					c.Hostname = "secret-host"
				})
				b.write("note", "kept in a container that is "+state)
				b.enter(state)
				c := b.find()
				as := strings.TrimSuffix(b.base.Ref, ":1.0") + ":flat"
				src, err := c.Flatten(t.Context(), docker.FlattenOptions{As: as, Author: "Somebody", Message: "Flat"})
				if err != nil {
					t.Fatal(err)
				}
				b.want(state)
				if rep := sendFlat(t, src, to); rep.Images != 1 || rep.Bytes < 4<<20 {
					t.Errorf("%+v", rep)
				}
				in := inspect(t, to, as)
				if len(in.RootFS.Layers) != 1 || in.Author != "Somebody" || in.Architecture != inspect(t, from, b.base.Ref).Architecture {
					t.Errorf("arrived as %+v", in)
				}
				got := in.Config
				for _, kv := range []string{"PATH=/bin", "BASE=1", "OWN=a b=c", "EMPTY="} {
					if !slices.Contains(got.Env, kv) {
						t.Errorf("%s is missing from %q", kv, got.Env)
					}
				}
				if len(got.Env) != 4 {
					t.Errorf("environment %q", got.Env)
				}
				if !slices.Equal(got.Entrypoint, []string{"/sleep", "two words"}) || !slices.Equal(got.Cmd, []string{"a", "b c"}) {
					t.Errorf("entrypoint %q, command %q", got.Entrypoint, got.Cmd)
				}
				if got.User != "1234:5678" || got.WorkingDir != "/data" || got.Labels["org.example.own"] != "x y" {
					t.Errorf("user %q, folder %q, labels %q", got.User, got.WorkingDir, got.Labels)
				}
				if got.StopSignal != "SIGUSR1" && got.StopSignal != "10" {
					t.Errorf("stop signal %q", got.StopSignal)
				}
				want := map[string]struct{}{"8080/tcp": {}, "53/udp": {}}
				if spec.Name != "podman-4.3" && !reflect.DeepEqual(got.ExposedPorts, want) { // which does not tell
					t.Errorf("ports %v", got.ExposedPorts)
				}
				if _, ok := got.Volumes["/anon"]; !ok {
					t.Errorf("volumes %v", got.Volumes)
				}
				if have, want := imageFiles(t, to, as), files(t, b.api, b.name); !sameFiles(have, want) || want["note"] == "" || len(want) < 20 {
					t.Errorf("%d files there, %d here", len(have), len(want))
				}
				b.want(state)

				bare := as + "-bare"
				if src, err = c.Flatten(t.Context(), docker.FlattenOptions{As: bare, Bare: true}); err != nil {
					t.Fatal(err)
				}
				if rep := sendFlat(t, src, to); rep.Bytes > 64<<10 {
					t.Errorf("the same layer once more: %d bytes", rep.Bytes)
				}
				lost := inspect(t, to, bare)
				if c := lost.Config; c != nil && (len(c.Env)+len(c.Cmd)+len(c.Entrypoint)+len(c.Labels)+len(c.ExposedPorts)+len(c.Volumes) > 0 || c.User+c.StopSignal != "") {
					t.Errorf("bare, and has %+v", c)
				}
				if !slices.Equal(lost.RootFS.Layers, in.RootFS.Layers) {
					t.Errorf("bare has other layers")
				}
				leftovers(t, from, to)
			})
		}
	})
}

// sameFiles compares files but for those that an engine itself puts into every
// container.
func sameFiles(a, b map[string]string) bool {
	own := func(name, _ string) bool {
		return name == ".dockerenv" || strings.HasPrefix(name, "etc/") || strings.HasPrefix(name, "dev/") || strings.HasPrefix(name, "run/")
	}
	a, b = maps.Clone(a), maps.Clone(b)
	maps.DeleteFunc(a, own)
	maps.DeleteFunc(b, own)
	return maps.Equal(a, b)
}

// TestFlattenImageSettings keeps what only the container's image says.
func TestFlattenImageSettings(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		b := newBox(t, from, nil)
		m, err := b.find().Commit(t.Context(), docker.CommitOptions{Changes: []string{
			"ONBUILD RUN /later", "VOLUME /of-image", "EXPOSE 81", "LABEL of=image", "ENV OF=image", "WORKDIR /data", "USER 7",
		}})
		if err != nil {
			t.Fatal(err)
		}
		named := strings.TrimSuffix(b.base.Ref, ":1.0") + ":settings"
		if err := m.Keep(t.Context(), named); err != nil {
			t.Fatal(err)
		}
		if err := m.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		settings := &container.Config{Image: named}
		if spec.Kind == throwaway.Docker { // Podman's API takes them otherwise
			settings.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/healthy"}, Interval: time.Minute, Retries: 3}
			settings.Shell = []string{"/bin/other", "-c"}
			settings.StopSignal = "SIGQUIT"
		}
		second, err := b.api.ContainerCreate(t.Context(), settings, &container.HostConfig{NetworkMode: "none"}, nil, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		defer remove(t, from, named)
		defer func() {
			if err := b.api.ContainerRemove(t.Context(), second.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
				t.Error(err)
			}
		}()
		want := inspect(t, from, named).Config
		c, err := b.engine.Container(t.Context(), second.ID)
		if err != nil {
			t.Fatal(err)
		}
		src, err := c.Flatten(t.Context(), docker.FlattenOptions{As: named})
		if err != nil {
			t.Fatal(err)
		}
		sendFlat(t, src, to)
		got := inspect(t, to, named).Config
		for _, s := range []*[]string{&want.Env, &got.Env} {
			slices.Sort(*s)
		}
		if len(want.OnBuild) != 1 && spec.Kind == throwaway.Docker || // Podman does not keep it at a commit
			len(want.Volumes) != 1 || len(want.ExposedPorts) != 1 {
			t.Fatalf("the image has %+v", want)
		}
		if !slices.Equal(got.OnBuild, want.OnBuild) || !reflect.DeepEqual(got.Volumes, want.Volumes) || !reflect.DeepEqual(got.ExposedPorts, want.ExposedPorts) ||
			got.Labels["of"] != "image" || !slices.Equal(got.Env, want.Env) || !slices.Equal(got.Cmd, want.Cmd) || !slices.Equal(got.Entrypoint, want.Entrypoint) ||
			got.WorkingDir != want.WorkingDir || got.User != want.User {
			t.Errorf("the image has %+v, flattened %+v", want, got)
		}
		if spec.Kind == throwaway.Docker && (!reflect.DeepEqual(got.Healthcheck, settings.Healthcheck) || !slices.Equal(got.Shell, settings.Shell) || got.StopSignal != settings.StopSignal) {
			t.Errorf("the container has %+v %q %s, flattened %+v %q %s", settings.Healthcheck, settings.Shell, settings.StopSignal, got.Healthcheck, got.Shell, got.StopSignal)
		}
	})
}

// TestFlattenInterrupted interrupts the reading of a container.
func TestFlattenInterrupted(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		b := newBox(t, pool.Get(t, spec, "sender"), nil)
		b.fill(150 << 20)
		for _, state := range []string{"running", "paused"} {
			b.enter(state)
			ctx, cancel := context.WithCancel(t.Context())
			b.onExport(cancel)
			_, err := b.find().Flatten(ctx, docker.FlattenOptions{})
			wantError(t, err, transfer.KindInterrupted, "")
			b.want(state)
			_, err = b.find().Flatten(ctx, docker.FlattenOptions{})
			wantError(t, err, transfer.KindInterrupted, "")
			b.want(state)
			if state == "running" {
				if err := b.api.ContainerKill(t.Context(), b.name, "KILL"); err != nil {
					t.Fatal(err)
				}
				b.want("exited")
			}
		}
	})
}

// TestFlattenEngineDies has the engine end while a container is read.
func TestFlattenEngineDies(t *testing.T) {
	for _, spec := range specs(t) {
		t.Run(spec.Name, func(t *testing.T) {
			e := start(t, spec)
			defer e.Stop()
			b := newBoxUntidy(t, e, nil)
			b.fill(150 << 20)
			b.onExport(func() { _ = e.Kill() })
			src, err := b.find().Flatten(t.Context(), docker.FlattenOptions{})
			if err == nil {
				_ = src.Close(nil)
			}
			wantError(t, err, transfer.KindEngine, "export "+b.name)
		})
	}
}

// onExport has f called when the container is being read: after the first bytes.
func (b *box) onExport(f func()) {
	b.t.Helper()
	b.engine = behindProxy(b.t, b.e, "unix", func(*http.Request) bool { return true }, func(r *http.Response) {
		if strings.HasSuffix(r.Request.URL.Path, "/export") {
			r.Body = readHook{r.Body, sync.OnceFunc(f)}
		}
	})
}

// A readHook calls f after the first read.
type readHook struct {
	io.ReadCloser
	f func()
}

func (h readHook) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.f()
	return n, err
}

func TestFlattenBadName(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		b := newBox(t, pool.Get(t, spec, "sender"), nil)
		_, err := b.find().Flatten(t.Context(), docker.FlattenOptions{As: "UPPER"})
		wantError(t, err, transfer.KindUsage, "not an image name")
	})
}
