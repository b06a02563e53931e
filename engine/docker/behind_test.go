package docker_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// noGRPC lets nothing through but Docker's own API.
func noGRPC(r *http.Request) bool { return r.URL.Path != "/grpc" }

// behind opens an engine whose requests go through a proxy on a "unix" or "tcp"
// address, which shows each of them to pass and refuses those for which it returns
// false. Requests that are gRPC without an upgrade do not get through.
func behind(t *testing.T, e *throwaway.Engine, network string, pass func(*http.Request) bool) *docker.Engine {
	t.Helper()
	return behindProxy(t, e, network, pass, func(*http.Response) {})
}

// behindProxy is behind that shows each answer to change, too.
func behindProxy(t *testing.T, e *throwaway.Engine, network string, pass func(*http.Request) bool, change func(*http.Response)) *docker.Engine {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "e.sock")
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(e.Host(), "unix://"))
	}}
	proxy.Transport = transport
	proxy.FlushInterval = -1
	proxy.ModifyResponse = func(r *http.Response) error {
		change(r)
		return nil
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !pass(r) {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-served
		transport.CloseIdleConnections()
	})
	h, err := docker.Find(t.Context(), ln.Addr().Network()+"://"+ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}
