package cmd_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

type holdKey struct{}

// A holder stands before engine B and holds the requests that give names.
type holder struct {
	held, released chan struct{}
	first          sync.Once
}

// hold VAR sets VAR to an address of engine B where requests for names wait for
// release.
func (p *pair) hold(ts *testscript.TestScript, args []string) {
	dir, err := os.MkdirTemp("", "hold")
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	ts.Check(err)
	h := &holder{held: make(chan struct{}), released: make(chan struct{})}
	_, path, _ := strings.Cut(p.b.Host(), "://")
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.FlushInterval = -1
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	srv := &http.Server{ReadHeaderTimeout: jobTime, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/tag") {
			h.first.Do(func() { close(h.held) })
			select {
			case <-h.released:
			case <-r.Context().Done():
				return
			}
		}
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = srv.Serve(ln) }()
	ts.Defer(func() { _ = srv.Close() })
	*ts.Value(holdKey{}).(**holder) = h
	ts.Setenv(args[0], "unix://"+ln.Addr().String())
}

// held waits until a request for a name is held.
func cmdHeld(ts *testscript.TestScript) {
	select {
	case <-(*ts.Value(holdKey{}).(**holder)).held:
	case <-time.After(jobTime):
		ts.Fatalf("no name has been given")
	}
}

// release lets the requests go on.
func cmdRelease(ts *testscript.TestScript) { close((*ts.Value(holdKey{}).(**holder)).released) }
