package containerd_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/containerd"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
)

func TestSocketOf(t *testing.T) {
	for address, want := range map[string]string{
		"containerd:///run/k3s/containerd/containerd.sock": "/run/k3s/containerd/containerd.sock",
		"unix:///run/containerd/containerd.sock":           "/run/containerd/containerd.sock",
		"/run/containerd/containerd.sock":                  "/run/containerd/containerd.sock",
		"containerd://run/containerd.sock":                 "",
		"containerd://":                                    "",
		"tcp://127.0.0.1:2375":                             "",
		"":                                                 "",
	} {
		if got, ok := containerd.SocketOf(address); ok != (want != "") || ok && got != want {
			t.Errorf("%q is %q, %v, not %q", address, got, ok, want)
		}
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "s")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]struct {
		kind transfer.Kind
		text string
	}{
		"tcp://127.0.0.1:1":                {transfer.KindUsage, "not the address of a containerd"},
		"containerd://" + dir + "/nowhere": {transfer.KindEngine, "no containerd answers at " + dir + "/nowhere"},
		plain:                              {transfer.KindEngine, "no containerd answers"},
	} {
		_, err := containerd.Open(t.Context(), address, "test", "")
		if transfer.KindOf(err) != want.kind || !strings.Contains(err.Error(), want.text) || hint(err) == "" {
			t.Errorf("%s: %v, hint %q", address, err, hint(err))
		}
	}
}

// TestOpenOther opens a socket on which somebody else answers.
func TestOpenOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = c.Close()
		}
	}()
	if _, err := containerd.Open(t.Context(), path, "test", ""); transfer.KindOf(err) != transfer.KindEngine || !strings.Contains(err.Error(), "does not answer") || hint(err) == "" {
		t.Errorf("%v, hint %q", err, hint(err))
	}
}

// TestNamespaces looks which namespace is taken, and what is said where there is none.
func TestNamespaces(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		e := pool.Get(t, spec, "receiver")
		v1, _ := versions("namespaces " + spec.Name)
		if err := throwaway.Load(t.Context(), e, v1); err != nil {
			t.Fatal(err)
		}
		for env, want := range map[string]string{"": "default", "k8s.io": "k8s.io"} {
			if err := os.Setenv("CONTAINERD_NAMESPACE", env); err != nil {
				t.Fatal(err)
			}
			s, err := containerd.Open(t.Context(), "containerd://"+e.Socket(), "test", "")
			_ = os.Unsetenv("CONTAINERD_NAMESPACE") // which ctr would read
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if !strings.HasSuffix(s.String(), ", namespace "+want) || !strings.HasPrefix(s.String(), "containerd "+strings.TrimPrefix(spec.Name, "native-")+".") {
				t.Errorf("%s", s)
			}
			if !strings.HasSuffix(s.Where(), " at containerd://"+e.Socket()+" (test)") {
				t.Errorf("%s", s.Where())
			}
		}
		s := open(t, e, "nowhere")
		_, err := s.Source(t.Context(), requests(v1.Ref), store.SourceOptions{})
		if transfer.KindOf(err) != transfer.KindEngine || !strings.Contains(err.Error(), "no namespace nowhere") || !strings.Contains(err.Error(), "default") {
			t.Errorf("%v", err)
		}
		if list := strings.Fields(throwawaytest.Ctr(t, e, "namespaces", "list", "-q")); strings.Contains(strings.Join(list, " "), "nowhere") {
			t.Errorf("a source has made a namespace: %v", list)
		}
		// A sink makes it.
		copied(t, source(t, open(t, e, ""), v1.Ref), sink(t, open(t, e, "made-"+strings.ReplaceAll(spec.Name, ".", "-"))))
		check(t, e, "made-"+strings.ReplaceAll(spec.Name, ".", "-"), v1)
		// And that is where to look for an image that is not in this one.
		_, err = s.Source(t.Context(), requests("qqqqqqqqqqqqqqq"), store.SourceOptions{})
		if transfer.KindOf(err) != transfer.KindEngine {
			t.Errorf("%v", err)
		}
		_, err = open(t, e, "").Source(t.Context(), requests("qqqqqqqqqqqqqqq"), store.SourceOptions{})
		if transfer.KindOf(err) != transfer.KindEngine || !strings.Contains(hint(err), "made-") {
			t.Errorf("%v, hint %q", err, hint(err))
		}
	})
}
