package engine_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// behind opens an engine whose requests go through a proxy at ln, which shows
// each of them to see before it passes it on.
func behind(t *testing.T, e *throwaway.Engine, ln net.Listener, see func(*http.Request)) *engine.Engine {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(e.Host(), "unix://"))
	}}
	proxy.Transport = transport
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		see(r)
		proxy.ServeHTTP(w, r)
	})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-served
		transport.CloseIdleConnections()
	})
	h, err := engine.Find(t.Context(), ln.Addr().Network()+"://"+ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}
