package docker_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
)

// push copies names and returns by which exporters they left.
func push(ctx context.Context, t *testing.T, from, to *throwaway.Engine, refuse func(put int) error, h hooked, names ...string) ([]string, error) {
	t.Helper()
	var reqs []store.Request
	for _, n := range names {
		reqs = append(reqs, store.Request{Image: n})
	}
	src, err := docker.NewSource(ctx, open(t, from), reqs, store.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var ran []string
	src.OnExport = func(_ *transfer.Image, exporter, _ string) { ran = append(ran, exporter) }
	src.SetOnUpload(refuse)
	src.SetPushFloor(0)
	if h.Sink == nil {
		h.Sink = docker.NewSink(open(t, to))
	}
	_, err = transfer.Copy(ctx, src, &h, transfer.Options{})
	return ran, err
}

// noGoroutine checks that nothing runs in functions with such names, but for what is
// about to end.
func noGoroutine(t *testing.T, names ...string) {
	t.Helper()
	stacks := make([]byte, 4<<20)
	for end := time.Now().Add(time.Second); ; runtime.Gosched() {
		all := string(stacks[:runtime.Stack(stacks, true)])
		left := slices.ContainsFunc(names, func(f string) bool { return strings.Contains(all, f) })
		if !left {
			return
		}
		if time.Now().After(end) {
			t.Errorf("a goroutine is left in one of %q\n%s", names, all)
			return
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
		to := pool.Get(t, spec, "receiver")
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

// pushers runs a test for the newest Docker with a classic store.
func pushers(t *testing.T, test func(t *testing.T, spec throwaway.Spec)) {
	var newest *throwaway.Spec
	for _, spec := range specs(t) {
		if spec.Kind == throwaway.Docker && !spec.Containerd {
			newest = &spec // they come from old to new
		}
	}
	if newest == nil {
		t.Skip("no such engine here")
	}
	t.Run(newest.Name, func(t *testing.T) { test(t, *newest) })
}

// stranger asks the registry of a push that goes on, as its name tells where it
// is, without the credential.
func stranger(t *testing.T, e *throwaway.Engine) {
	addr := ""
	for _, ref := range tags(t, e) {
		if a, _, ok := strings.Cut(ref, "/imgsend-push:"); ok {
			addr = a
		}
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		t.Errorf("no push goes on: %v", err)
		return
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+"/v2/imgsend-push/blobs/uploads/", http.NoBody)
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
	layered(t, func(t *testing.T, spec throwaway.Spec) {
		to := pool.Get(t, spec, "receiver")
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
