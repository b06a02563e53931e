package engine

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"sync"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/opencontainers/go-digest"
)

// describeRepo is the repository of the names that images have while they are
// described.
const describeRepo = "imgsend-describe"

// describeTimeout bounds a push that moves no data; it takes about 0.1 s.
const describeTimeout = 10 * time.Second

// describePush learns the manifests of an image in a containerd store, its
// blobs' digests and sizes with them, which the Docker API does not tell: the
// engine is told to push the image to a registry on this host's loopback
// interface that claims to have every blob, and so hands over just the
// manifests. Engines talk plain HTTP to 127.0.0.0/8 unless told otherwise.
//
// It fails where the engine cannot reach this host's loopback interface.
func (e *Engine) describePush(ctx context.Context, l *local) (*layout.Documents, error) {
	if !e.endpoint.Local() {
		return nil, errors.New("the engine is not on this host")
	}
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	got := layout.NewDocuments()
	return got, e.pushTo(ctx, l, got, pushing{})
}

// A pushing says how an image is pushed.
type pushing struct {
	// serve returns the registry, made of one that claims everything, and is told
	// the name that the image has for the push. nil: that one itself.
	serve func(c *claimingRegistry, ref string) http.Handler
	// said is passed what the engine says. It may be nil.
	said func(message)
	// narrow is whether the engine is to make little of what nobody reads.
	narrow bool
}

// pushTo has the engine push an image to a registry that lives no longer than
// the push, nor do its requests: their contexts end with the push, and they must
// return then. The image has a name of its own for it, or is pushed by a
// stand-in; Podman needs neither.
func (e *Engine) pushTo(ctx context.Context, l *local, got *layout.Documents, p pushing) error {
	var in *standIn
	var err error
	if e.store != Podman {
		if in, err = e.standIn(ctx, l); err != nil {
			return err
		}
	}
	ln, err := listenLoopback(ctx, p.narrow)
	if err != nil {
		return err
	}
	claims := &claimingRegistry{got: got, user: "imgsend", password: rand.Text(), root: in.asBlob()}
	ref := ln.Addr().String() + "/" + describeRepo + ":" + ownerTag()
	var h http.Handler = claims
	if p.serve != nil {
		h = p.serve(claims, ref)
	}
	var requests gate
	life, end := context.WithCancel(ctx)
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if requests.enter() {
				defer requests.leave()
				h.ServeHTTP(w, r)
			}
		}),
		ReadHeaderTimeout: describeTimeout,
		BaseContext:       func(net.Listener) context.Context { return life },
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(ln)
	}()
	// An engine that does not answer does not hang up either.
	unhook := context.AfterFunc(life, func() { _ = srv.Close() })
	defer func() {
		end()
		unhook()
		_ = srv.Close()
		<-served
		requests.shut()
	}()
	if e.store == Podman {
		return e.pushID(ctx, l.id, ref, claims.user, claims.password)
	}
	defer func() {
		// The image has this name only for the push, and keeps its others. A tag
		// that failed may have been given all the same.
		ctx, cancel := cleanupContext(ctx)
		defer cancel()
		_, _ = e.api.ImageRemove(ctx, ref, image.RemoveOptions{})
	}()
	if in != nil {
		err = e.loadStandIn(ctx, in, ref, claims)
	} else {
		err = e.api.ImageTag(ctx, l.id.String(), ref)
	}
	if err != nil {
		return err
	}
	return e.push(ctx, ref, claims.user, claims.password, p.said)
}

// listenLoopback listens on a port of the loopback interface. On a narrow one
// whoever sends gets ahead of its reader by some 100 kB, and not by megabytes as
// is usual there.
func listenLoopback(ctx context.Context, narrow bool) (net.Listener, error) {
	var c net.ListenConfig
	if narrow {
		c.Control = func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) {
				// Only speed depends on them: small segments keep the sender's
				// buffer small, which grows with their size.
				_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
				_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1400)
			})
		}
	}
	return c.Listen(ctx, "tcp4", "127.0.0.1:0")
}

// A gate counts who is inside, until it is shut.
type gate struct {
	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.inside.Add(1)
	}
	return !g.closed
}

func (g *gate) leave() { g.inside.Done() }

// shut lets nobody in any more and waits for those inside.
func (g *gate) shut() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
}

// push pushes ref and reads the engine's answer to its end.
func (e *Engine) push(ctx context.Context, ref, user, password string, said func(message)) error {
	auth, err := registry.EncodeAuthConfig(registry.AuthConfig{Username: user, Password: password})
	if err != nil {
		return err
	}
	body, err := e.api.ImagePush(ctx, ref, image.PushOptions{RegistryAuth: auth})
	if err != nil {
		return err
	}
	defer body.Close()
	return readAnswer(body, said)
}

// A claimingRegistry is the push side of a registry (OCI distribution
// specification, "Push") that has every blob already and keeps the manifests.
// Whoever lacks the credential gets nothing but 401.
type claimingRegistry struct {
	user, password string
	root           digest.Digest // a manifest that comes as a blob; or empty
	own            digest.Digest // a config that is no image's; or empty

	mu  sync.Mutex // an index and what it lists may come at the same time
	got *layout.Documents
}

var (
	registryPath = regexp.MustCompile(`^/v2/(?:[a-z0-9/._-]+/(blobs|manifests)/([A-Za-z0-9:._-]+))?$`)
	uploadPath   = regexp.MustCompile(`^/v2/[a-z0-9/._-]+/blobs/uploads/`)
)

// rootUpload reports whether r brings the manifest that comes as a blob.
func (c *claimingRegistry) rootUpload(r *http.Request) bool {
	return c.root != "" && r.Method == http.MethodPut && uploadPath.MatchString(r.URL.Path) &&
		digest.Digest(r.URL.Query().Get("digest")) == c.root
}

// admits answers 401 to whoever lacks the credential.
func (c *claimingRegistry) admits(w http.ResponseWriter, r *http.Request) bool {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(c.user+":"+c.password))
	if subtle.ConstantTimeCompare([]byte(want), []byte(r.Header.Get("Authorization"))) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="imgsend"`)
		w.WriteHeader(http.StatusUnauthorized)
		return false
	}
	return true
}

func (c *claimingRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !c.admits(w, r) {
		return
	}
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	m := registryPath.FindStringSubmatch(r.URL.Path)
	switch {
	case uploadPath.MatchString(r.URL.Path) && r.Method == http.MethodPost:
		w.Header().Set("Location", r.URL.Path+"blob")
		w.WriteHeader(http.StatusAccepted)
	case c.rootUpload(r):
		c.manifest(w, r)
	case m == nil:
		w.WriteHeader(http.StatusNotFound)
	case m[1] == "":
		w.WriteHeader(http.StatusOK)
	case m[1] == "blobs" && r.Method == http.MethodHead && digest.Digest(m[2]) != c.root:
		w.Header().Set("Docker-Content-Digest", m[2])
		w.WriteHeader(http.StatusOK)
	case m[1] == "manifests" && r.Method == http.MethodPut:
		c.manifest(w, r)
	default: // no manifest is known, no blob is wanted
		w.WriteHeader(http.StatusNotFound)
	}
}

func (c *claimingRegistry) manifest(w http.ResponseWriter, r *http.Request) {
	c.keep(w, r, func(digest.Digest, []byte) {})
}

// keep takes a manifest and shows it to also, with mu held.
func (c *claimingRegistry) keep(w http.ResponseWriter, r *http.Request, also func(digest.Digest, []byte)) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, layout.MaxDocument))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	d := digest.FromBytes(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.got.Add(d, b); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	also(d, b)
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Location", r.URL.Path)
	w.WriteHeader(http.StatusCreated)
}
