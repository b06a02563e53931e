package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/docker/endpoint"
	"github.com/imgsend/imgsend/engine/internal/disk"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An Engine is a connection to a container engine, which is a store of images.
type Engine struct {
	api      *client.Client
	endpoint endpoint.Endpoint
	name     string
	store    Kind
	properties
	platform ocispec.Platform
	version  string // of the API, as negotiated

	link grpcLink
	own  *podmanService // serves the API, or nil
}

var (
	_ store.Store   = (*Engine)(nil)
	_ store.Namer   = (*Engine)(nil)
	_ store.Lister  = (*Engine)(nil)
	_ store.Cleaner = (*Engine)(nil)
)

// Source finds the requested images and describes them; see [NewSource].
func (e *Engine) Source(ctx context.Context, reqs []store.Request, o store.SourceOptions) (store.Source, error) {
	s, err := NewSource(ctx, e, reqs, o)
	if err != nil {
		return nil, err // and not a nil *Source
	}
	return s, nil
}

// Sink returns a sink into the engine; see [NewSink].
func (e *Engine) Sink(_ context.Context, o store.SinkOptions) (transfer.Sink, error) {
	s := NewSink(e)
	s.NoClobber = o.NoClobber
	return s, nil
}

// identifyTimeout is how long an engine that listens may take to say what it is. It may be
// busy.
const identifyTimeout = 15 * time.Second

// Find connects to the engine at host, or if that is empty at DOCKER_HOST, or
// at the current docker context, or else at the first of the usual sockets that
// answers: Docker's, rootless Docker's, Docker Desktop's, Podman's, or on Windows
// their named pipes. Its error is of [transfer.KindEngine].
func Find(ctx context.Context, host string) (*Engine, error) {
	ep, err := endpoint.Chosen(host)
	if err != nil {
		return nil, err
	}
	if ep.Host != "" {
		e, err := tryOpen(ctx, ep)
		if err != nil {
			hint := "start that engine, or name another with -H"
			if errors.Is(err, fs.ErrPermission) {
				hint = whatNow(err)
			}
			return nil, noEngine(ctx, fmt.Errorf("no engine answers at %s (from %s): %s", ep.Host, ep.From, cleanMessage(err.Error())), hint)
		}
		return e, nil
	}
	var first error
	var tried []string
	for _, host := range endpoint.UsualHosts() {
		_, path, _ := strings.Cut(host, "://")
		tried = append(tried, path)
		e, err := tryOpen(ctx, endpoint.Endpoint{Host: host, From: "usual socket"})
		if err == nil {
			return e, nil
		}
		if first == nil && !errors.Is(err, fs.ErrNotExist) {
			first = &socketError{path: path, err: err}
		}
	}
	if first == nil {
		return nil, noEngine(ctx, ErrNone,
			fmt.Sprintf("install Docker or Podman, or name its socket with -H; none of the %d usual ones is here, such as %s", len(tried), tried[0]))
	}
	return nil, noEngine(ctx, first, whatNow(first))
}

// whatNow is the hint for a usual socket that does not answer.
func whatNow(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "run it with sudo, or as a user of the group that the socket belongs to (docker, as a rule); -H names another engine"
	}
	return "is the engine running? -H names another"
}

// ErrNone is the error of [Find] where nothing names an engine and none of the
// usual sockets exists.
var ErrNone = errors.New("no container engine found")

// socketError says which socket does not answer.
type socketError struct {
	path string
	err  error
}

func (e *socketError) Error() string {
	return e.path + " does not answer: " + cleanMessage(e.err.Error())
}

func (e *socketError) Unwrap() error { return e.err }

func noEngine(ctx context.Context, err error, hint string) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return &transfer.Error{Kind: transfer.KindEngine, Err: err, Hint: hint}
}

func tryOpen(ctx context.Context, ep endpoint.Endpoint) (*Engine, error) {
	if err := ep.Reachable(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	return open(ctx, ep)
}

// open connects to the engine at ep and asks what it is.
func open(ctx context.Context, ep endpoint.Endpoint) (*Engine, error) {
	opts, err := ep.Options()
	if err != nil {
		return nil, err
	}
	api, err := client.NewClientWithOpts(append(opts, client.WithAPIVersionNegotiation())...)
	if err != nil {
		return nil, err
	}
	e := &Engine{api: api, endpoint: ep}
	if err := e.identify(ctx); err != nil {
		_ = api.Close()
		return nil, err
	}
	e.properties = kinds[e.store]
	return e, nil
}

func (e *Engine) identify(ctx context.Context) error {
	v, err := e.api.ServerVersion(ctx)
	if err != nil {
		return err
	}
	e.version = e.api.ClientVersion()
	e.platform = ocispec.Platform{OS: v.Os, Architecture: v.Arch}
	e.name = "Docker " + strings.SplitN(v.Version, "+", 2)[0]
	for _, c := range v.Components {
		if c.Name == "Podman Engine" {
			e.name, e.store = "Podman "+c.Version, Podman
			return nil
		}
	}
	info, err := e.api.Info(ctx)
	if err != nil {
		return err
	}
	for _, kv := range info.DriverStatus {
		if kv == [2]string{"driver-type", "io.containerd.snapshotter.v1"} {
			e.store = Containerd
		}
	}
	return nil
}

// String describes the engine: "Docker 28.5.2, containerd store".
func (e *Engine) String() string {
	if e.oneStore {
		return e.name
	}
	return e.name + ", " + e.store.String()
}

// Endpoint returns where the engine was found.
func (e *Engine) Endpoint() endpoint.Endpoint { return e.endpoint }

// Where describes the engine with its address: "Docker 28.5.2, classic store at
// unix:///var/run/docker.sock (usual socket)".
func (e *Engine) Where() string {
	return fmt.Sprintf("%s at %s (%s)", e, e.endpoint.Host, e.endpoint.From)
}

// Kind returns how the engine keeps images.
func (e *Engine) Kind() Kind { return e.store }

// Platform returns what the engine's host runs.
func (e *Engine) Platform() ocispec.Platform { return e.platform }

// systemContainerd is where a containerd that Docker has not started itself keeps
// images unless its settings name another place (containerd's own default).
const systemContainerd = "/var/lib/containerd"

// Free returns how many bytes of images the engine has room for, less a reserve,
// and whether that is known: only of an engine that sees this host's files, which
// its socket and its host name tell; one in a virtual machine or a container has
// another name, and so has this host inside a container.
func (e *Engine) Free(ctx context.Context) (bytes int64, known bool) {
	if !e.endpoint.Local() {
		return 0, false
	}
	info, err := e.api.Info(ctx)
	if err != nil || info.DockerRootDir == "" {
		return 0, false
	}
	if host, err := os.Hostname(); err != nil || info.Name != host {
		return 0, false
	}
	// Podman tells its graph root by this name, too (seen on 4.3.1 and 5.8.6).
	bytes, known = disk.Free(info.DockerRootDir)
	if !known || !e.keepsBlobs {
		return bytes, known
	}
	// Docker's own containerd keeps its data in there (seen on 26.1.5 and 28.5.2).
	if _, err := os.Stat(filepath.Join(info.DockerRootDir, "containerd", "daemon")); err == nil {
		return bytes, known
	}
	if b, ok := disk.Free(systemContainerd); ok {
		bytes = min(bytes, b)
	}
	return bytes, known
}

// Close ends the connection, and the service that was started for it.
func (e *Engine) Close() error {
	e.link.close()
	err := e.api.Close()
	if e.own != nil {
		e.own.close()
	}
	return err
}

// failed returns err as an error of [transfer.KindEngine] at op.
func failed(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *transfer.Error
	if errors.As(err, &known) {
		return err
	}
	out := &transfer.Error{Kind: transfer.KindEngine, Op: op, Err: errorText(err)}
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", op, context.Canceled)
	case strings.Contains(err.Error(), "no space left on device"):
		out.Hint = "free some space for that engine, then repeat"
	case wentAway(err):
		out.Err = fmt.Errorf("the engine went away: %s", cleanMessage(err.Error()))
	}
	return out
}

// wentAway reports whether err means that the engine closed or refused the connection. A
// message of the engine about an early end, such as that of an archive, does not count.
func wentAway(err error) bool {
	return client.IsErrConnectionFailed(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// errorText returns the text of err without the prefixes that the client adds.
func errorText(err error) error { return errors.New(cleanMessage(err.Error())) }

// cleanMessage removes the prefixes that the client adds to the message of the engine.
func cleanMessage(s string) string {
	return strings.TrimSpace(strings.TrimPrefix(s, "Error response from daemon: "))
}
