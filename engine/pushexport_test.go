package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
)

// TestPushExport has containerd stores export by push: the ID stays, and no
// name is left.
func TestPushExport(t *testing.T) {
	for _, spec := range specs(t) {
		if !spec.Containerd {
			continue
		}
		t.Run(spec.Name, func(t *testing.T) {
			from, to := pool.get(t, spec, "sender"), pool.get(t, spec, "receiver")
			v1, v2 := versions("pushed " + spec.Name)
			load(t, from, v1, v2)
			for _, m := range []string{v1.Ref, v2.Ref} {
				src, err := engine.NewSource(t.Context(), open(t, from), []engine.Request{{Image: m}})
				if err != nil {
					t.Fatal(err)
				}
				var ran []string
				src.OnExport = func(_ *transfer.Image, exporter, why string) { ran = append(ran, exporter, why) }
				if _, err := transfer.Copy(t.Context(), src, engine.NewSink(t.Context(), open(t, to)), transfer.Options{}); err != nil {
					t.Fatal(err)
				}
				if len(ran) != 2 || ran[0] != "push" {
					t.Errorf("%s left by %q", m, ran)
				}
				if a, b := id(t, from, m), id(t, to, m); a != b {
					t.Errorf("%s was %s and arrived as %s", m, a, b)
				}
			}
			leftovers(t, from, to)
		})
	}
}

// stores runs a test for every containerd store of the matrix.
func stores(t *testing.T, test func(t *testing.T, spec throwaway.Spec)) {
	for _, spec := range specs(t) {
		if spec.Containerd {
			t.Run(spec.Name, func(t *testing.T) { test(t, spec) })
		}
	}
}

// push copies names and returns by which exporters they left.
func push(ctx context.Context, t *testing.T, from, to *throwaway.Engine, refuse func(put int) error, h hooked, names ...string) ([]string, error) {
	t.Helper()
	var reqs []engine.Request
	for _, n := range names {
		reqs = append(reqs, engine.Request{Image: n})
	}
	src, err := engine.NewSource(ctx, open(t, from), reqs)
	if err != nil {
		t.Fatal(err)
	}
	var ran []string
	src.OnExport = func(_ *transfer.Image, exporter, _ string) { ran = append(ran, exporter) }
	src.SetOnUpload(refuse)
	src.SetPushFloor(0)
	h.Sink = engine.NewSink(ctx, open(t, to))
	_, err = transfer.Copy(ctx, src, &h, transfer.Options{})
	return ran, err
}

// TestPushRefused has pushes fail before their first blob and after one: the
// image is saved then.
func TestPushRefused(t *testing.T) {
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.get(t, spec, "sender"), pool.get(t, spec, "receiver")
		v1, v2 := versions("refused " + spec.Name)
		load(t, from, v1, v2)
		for limit, m := range []throwaway.Image{v1, v2} {
			ran, err := push(t.Context(), t, from, to, func(put int) error {
				if put >= limit {
					return errors.New("no more")
				}
				return nil
			}, hooked{}, m.Ref)
			if err != nil || strings.Join(ran, " ") != "save" {
				t.Fatalf("after %d blobs: left by %q, %v", limit, ran, err)
			}
			if a, b := id(t, from, m.Ref), id(t, to, m.Ref); a != b {
				t.Errorf("%s was %s and arrived as %s", m.Ref, a, b)
			}
		}
		leftovers(t, from, to)
	})
}

// TestPushShared sends two images that share layers in one copy.
func TestPushShared(t *testing.T) {
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.get(t, spec, "sender"), pool.get(t, spec, "receiver")
		v1, v2 := versions("shared " + spec.Name)
		load(t, from, v1, v2)
		ran, err := push(t.Context(), t, from, to, nil, hooked{}, v1.Ref, v2.Ref)
		if err != nil || strings.Join(ran, " ") != "push push" {
			t.Fatalf("left by %q, %v", ran, err)
		}
		for _, m := range []string{v1.Ref, v2.Ref} {
			if a, b := id(t, from, m), id(t, to, m); a != b {
				t.Errorf("%s was %s and arrived as %s", m, a, b)
			}
		}
		leftovers(t, from, to)
	})
}

// TestPushCancelled ends a push inside a blob: neither a name nor a goroutine
// of the registry is left, and while it lasts strangers get 401.
func TestPushCancelled(t *testing.T) {
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.get(t, spec, "sender"), pool.get(t, spec, "receiver")
		m := big("cancelled " + spec.Name)
		load(t, from, m)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := push(ctx, t, from, to, nil, hooked{halfway: func() {
			stranger(t, from)
			cancel()
		}}, m.Ref)
		if transfer.KindOf(err) != transfer.KindInterrupted {
			t.Errorf("it ended with %v", err)
		}
		noGoroutine(t, "pushTo", "receivingRegistry", "claimingRegistry", "http.(*Server).Serve(")
		absent(t, to, m.Ref)
		leftovers(t, from, to)
	})
}

// noGoroutine checks that nothing runs in functions with such names.
func noGoroutine(t *testing.T, names ...string) {
	t.Helper()
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, f := range names {
		if strings.Contains(string(stacks), f) {
			t.Errorf("a goroutine is left in %s\n%s", f, stacks)
		}
	}
}

// TestPushElsewhere has engines on a network of their own, so that they do not
// reach the registry: what they push elsewhere they save here.
func TestPushElsewhere(t *testing.T) {
	ip, err := exec.LookPath("ip")
	if err != nil {
		t.Skip("no ip program here")
	}
	name := fmt.Sprintf("imgsend-push-%d", os.Getpid())
	if out, err := exec.CommandContext(t.Context(), ip, "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("cannot make a network namespace: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(ip, "netns", "del", name).CombinedOutput(); err != nil {
			t.Errorf("remove network namespace: %s", out)
		}
	})
	pushers(t, func(t *testing.T, spec throwaway.Spec) {
		to := pool.get(t, spec, "receiver")
		spec.NetNS = name
		from := start(t, spec)
		defer from.Stop()
		base, m := update("elsewhere "+spec.Name, 1)
		load(t, from, m)
		load(t, to, base)
		ran, err := push(t.Context(), t, from, to, nil, hooked{}, m.Ref)
		if err != nil || strings.Join(ran, " ") != "save" {
			t.Fatalf("left by %q, %v", ran, err)
		}
		checkLayers(t, to, m)
		leftovers(t, from, to)
	})
}

// pushers runs a test for the newest engine of each store that pushes.
func pushers(t *testing.T, test func(t *testing.T, spec throwaway.Spec)) {
	newest := map[bool]throwaway.Spec{}
	for _, spec := range specs(t) {
		if spec.Kind == throwaway.Docker {
			newest[spec.Containerd] = spec // they come from old to new
		}
	}
	for _, spec := range newest {
		t.Run(spec.Name, func(t *testing.T) { test(t, spec) })
	}
}

// TestPushIdle has an engine stop inside a push and go on later: by then the
// push is given up and the image is saved. Of a containerd store's the receiver
// may have half a blob: then the copy ends.
func TestPushIdle(t *testing.T) {
	pushers(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := start(t, spec), pool.get(t, spec, "receiver")
		defer from.Stop()
		base, m := update("idle "+spec.Name, 2)
		load(t, from, base, m)
		load(t, to, base)
		src, err := engine.NewSource(t.Context(), open(t, from), []engine.Request{{Image: m.Ref}})
		if err != nil {
			t.Fatal(err)
		}
		var ran []string
		src.OnExport = func(_ *transfer.Image, exporter, why string) { ran = append(ran, exporter, why) }
		src.SetPushFloor(0)
		src.SetIdleTime(500 * time.Millisecond)
		stopped := false
		src.SetOnUpload(func(int) error {
			if !stopped { // one upload is there, and at least one more is to come
				stopped = true
				if err := syscall.Kill(from.PID(), syscall.SIGSTOP); err != nil {
					return err
				}
				time.AfterFunc(2*time.Second, func() { _ = syscall.Kill(from.PID(), syscall.SIGCONT) })
			}
			return nil
		})
		_, err = transfer.Copy(t.Context(), src, engine.NewSink(t.Context(), open(t, to)), transfer.Options{})
		if spec.Containerd && transfer.KindOf(err) == transfer.KindEngine {
			absent(t, to, m.Ref)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(ran) != 2 || ran[0] != "save" || !strings.Contains(ran[1], "hands over nothing") {
			t.Errorf("left by %q", ran)
		}
		checkLayers(t, to, m)
		leftovers(t, from, to)
	})
}

// stranger asks the registry of a push that goes on, as its name tells where it
// is, without the credential.
func stranger(t *testing.T, e *throwaway.Engine) {
	addr := ""
	for _, ref := range tags(t, e) {
		if a, _, ok := strings.Cut(ref, "/imgsend-describe:"); ok {
			addr = a
		}
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		t.Errorf("no push goes on: %v", err)
		return
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+"/v2/imgsend-describe/blobs/uploads/", http.NoBody)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without the credential: %s", method, resp.Status)
		}
	}
}

func tags(t *testing.T, e *throwaway.Engine) (out []string) {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := c.ImageList(t.Context(), image.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		out = append(out, i.RepoTags...)
	}
	return out
}

// TestPushProxy has engines with a proxy in their environment: it does not come
// between them and the registry.
func TestPushProxy(t *testing.T) {
	for _, spec := range specs(t) {
		t.Run(spec.Name, func(t *testing.T) {
			to := pool.get(t, spec, "receiver")
			for _, v := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
				spec.Env = append(spec.Env, v+"=http://127.0.0.1:9") // nobody is there
			}
			from := start(t, spec)
			defer from.Stop()
			base, m := update("proxy "+spec.Name, 1)
			load(t, from, m)
			load(t, to, base)
			ran, err := push(t.Context(), t, from, to, nil, hooked{}, m.Ref)
			if err != nil || strings.Join(ran, " ") != "push" {
				t.Fatalf("left by %q, %v", ran, err)
			}
			checkLayers(t, to, m)
		})
	}
}
