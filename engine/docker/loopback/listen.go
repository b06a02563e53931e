package loopback

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"
)

// headerTimeout bounds the header of a request.
const headerTimeout = 10 * time.Second

// user is the name that goes with a registry's password.
const user = "imgsend"

// Options are what a registry is made with.
type Options struct {
	// Present are the blobs that the registry claims to have, with their sizes.
	// The engine does not upload them.
	Present map[digest.Digest]int64
}

// A Registry takes the layers of one push. Its methods may be called by several
// goroutines.
type Registry struct {
	User, Password string

	ln     net.Listener
	srv    *http.Server
	served chan struct{} // closed when the server has stopped
	life   context.Context
	end    context.CancelFunc
	inside requests

	present map[digest.Digest]int64
	begin   chan struct{} // lets one upload begin
	uploads chan *Upload

	mu       sync.Mutex
	begun    int                     // uploads
	size     map[string]int64        // of finished uploads, by path, in bytes
	received map[digest.Digest]int64 // what was uploaded, with its size in bytes
}

// Listen starts a registry on a free port of 127.0.0.1. The caller must call Close.
//
// The connection's buffers are small. A sender then gets some 100 kB ahead of its
// reader and not megabytes, as is usual on the loopback interface: an engine
// compresses little of a layer that is not taken.
func Listen(ctx context.Context, o Options) (*Registry, error) {
	c := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return raw.Control(smallBuffers) }}
	ln, err := c.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Registry{
		User: user, Password: rand.Text(),
		ln: ln, served: make(chan struct{}), present: o.Present,
		begin: make(chan struct{}), uploads: make(chan *Upload),
		size: map[string]int64{}, received: map[digest.Digest]int64{},
	}
	r.life, r.end = context.WithCancel(ctx)
	r.srv = &http.Server{
		Handler:           http.HandlerFunc(r.serve),
		ReadHeaderTimeout: headerTimeout,
		BaseContext:       func(net.Listener) context.Context { return r.life },
	}
	// A client that does not answer does not hang up either.
	context.AfterFunc(r.life, func() { _ = r.srv.Close() })
	go func() {
		defer close(r.served)
		_ = r.srv.Serve(ln)
	}()
	return r, nil
}

// Addr returns the registry's address, "127.0.0.1:41234".
func (r *Registry) Addr() string { return r.ln.Addr().String() }

// Close ends all requests and uploads and waits for them. It may be called more
// than once.
func (r *Registry) Close() {
	r.end()
	_ = r.srv.Close()
	<-r.served
	r.inside.close()
}

// requests counts the requests that are being answered. http.Server.Close does
// not wait for them.
type requests struct {
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func (q *requests) enter() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.wg.Add(1)
	}
	return !q.closed
}

func (q *requests) leave() { q.wg.Done() }

// close refuses further requests and waits for those inside.
func (q *requests) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wg.Wait()
}
