package containerd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/defaults"
	"github.com/containerd/errdefs"
	"github.com/imgsend/imgsend/engine/catalog"
	"github.com/imgsend/imgsend/engine/contentstore"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc"
)

const (
	// identifyTimeout is how long a containerd that listens may take to say what
	// it is.
	identifyTimeout = 15 * time.Second
	// grpcWindow is how many bytes of an answer may be in flight. A content store
	// answers in messages of 1 MiB.
	grpcWindow = 4 << 20
)

// A Store is one namespace of a containerd.
type Store struct {
	client    *client.Client
	images    images.Store
	socket    string
	from      string // what named the socket
	namespace string
	version   string
}

var (
	_ store.Store  = (*Store)(nil)
	_ store.Namer  = (*Store)(nil)
	_ store.Lister = (*Store)(nil)
)

// Open connects to the containerd at an address (see [SocketOf]). An empty
// namespace means CONTAINERD_NAMESPACE, or else "k8s.io" at the socket of k3s and
// RKE2 and "default" elsewhere. from is what named the address: "-H". The caller must
// call Close. Errors are of [transfer.KindEngine].
func Open(ctx context.Context, address, from, namespace string) (*Store, error) {
	socket, ok := SocketOf(address)
	if !ok {
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is not the address of a containerd", address),
			Hint: "it has a path: " + Scheme + k3sSocket}
	}
	if err := reach(ctx, socket); err != nil {
		return nil, err
	}
	s := &Store{socket: socket, from: from, namespace: cmp.Or(namespace, namespaceAt(socket))}
	var err error
	s.client, err = client.New(socket, client.WithDefaultNamespace(s.namespace),
		client.WithExtraDialOpts([]grpc.DialOption{grpc.WithInitialWindowSize(grpcWindow), grpc.WithInitialConnWindowSize(grpcWindow)}))
	if err != nil {
		return nil, failed("connect to containerd at "+socket, err)
	}
	s.images = s.client.ImageService()
	ctx, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	v, err := s.client.Version(ctx)
	if err != nil {
		_ = s.client.Close()
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		return nil, &transfer.Error{Kind: transfer.KindEngine, Err: fmt.Errorf("the containerd at %s does not answer: %w", socket, err),
			Hint: "is it a containerd, and does it run? -H names another"}
	}
	s.version = strings.TrimPrefix(v.Version, "v")
	s.version, _, _ = strings.Cut(s.version, "~") // as distributions add
	s.version, _, _ = strings.Cut(s.version, "+")
	return s, nil
}

// String describes the store: "containerd 2.1.4, namespace k8s.io".
func (s *Store) String() string {
	return fmt.Sprintf("containerd %s, namespace %s", s.version, s.namespace)
}

// Where describes the store and says where it is.
func (s *Store) Where() string { return fmt.Sprintf("%s at %s%s (%s)", s, Scheme, s.socket, s.from) }

// Platform returns the platform of this host, where the socket is.
func (s *Store) Platform() ocispec.Platform {
	return ocispec.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}
}

// Close ends the connection.
func (s *Store) Close() error { return s.client.Close() }

// Source finds the requested images: by name, by digest, or by the start of the
// digest of their manifest or config, of four digits at least.
func (s *Store) Source(ctx context.Context, reqs []store.Request, o store.SourceOptions) (store.Source, error) {
	others, err := s.namespaces(ctx)
	if err != nil {
		return nil, err
	}
	list, content, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	src, err := catalog.NewSource(ctx, &blobs{content}, list, s.String(), reqs, o.Platform)
	var known *transfer.Error
	switch {
	case err == nil:
		return src, nil
	case !errors.As(err, &known):
		return nil, failed("read images", err)
	case known.Kind == transfer.KindBroken:
		return nil, &transfer.Error{Kind: transfer.KindEngine, Op: known.Op, Err: known.Err,
			Hint: "the image is incomplete there: pull it again, or look whether that containerd is told to discard layers (discard_unpacked_layers)"}
	case known.Kind == transfer.KindEngine && known.Hint == "" && len(others) > 0:
		known.Hint = "--namespace names another; it has also: " + strings.Join(others, ", ")
	}
	return nil, err
}

// namespaces returns the other namespaces. It is an error if there is none of the
// store's own name.
func (s *Store) namespaces(ctx context.Context) ([]string, error) {
	all, err := s.client.NamespaceService().List(ctx)
	if err != nil {
		return nil, failed("list the namespaces", err)
	}
	others := slices.DeleteFunc(slices.Clone(all), func(ns string) bool { return ns == s.namespace })
	if len(others) < len(all) {
		return others, nil
	}
	out := &transfer.Error{Kind: transfer.KindEngine,
		Err:  fmt.Errorf("no namespace %s in containerd %s at %s; it has: %s", s.namespace, s.version, s.socket, strings.Join(all, ", ")),
		Hint: "--namespace names one"}
	if len(all) == 0 {
		out.Err = fmt.Errorf("no namespace %s in containerd %s at %s; it has none at all", s.namespace, s.version, s.socket)
		out.Hint = ""
	}
	return nil, out
}

// Names returns the names of the images in the namespace.
func (s *Store) Names(ctx context.Context) ([]string, error) {
	records, err := s.images.List(ctx)
	if err != nil {
		return nil, failed("list the images", err)
	}
	return catalog.Listed(entries(records)), nil
}

// list returns the images and the blobs that they reach.
func (s *Store) list(ctx context.Context) ([]catalog.Entry, *contentstore.Listing, error) {
	// The images first: one that is added meanwhile is missed, and one that is
	// removed meanwhile has no blobs. The reverse would miss blobs.
	records, err := s.images.List(ctx)
	if err != nil {
		return nil, nil, failed("list the images", err)
	}
	list := entries(records)
	all, err := contentstore.List(ctx, s.client.ContentStore())
	if err != nil {
		return nil, nil, failed("list the content", err)
	}
	roots := make([]digest.Digest, len(list))
	for i, e := range list {
		roots[i] = e.Root.Digest
	}
	return list, all.Reachable(roots...), nil
}

// HaveList lists the digests of the blobs that the images reach.
func (s *Store) HaveList(ctx context.Context, host string) (*store.HaveList, error) {
	_, content, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	return store.NewHaveList(host, s.String(), store.ByBlob, content.Digests()), nil
}

// Free returns false: containerd does not tell where it keeps its data.
func (s *Store) Free(context.Context) (bytes int64, known bool) { return 0, false }

// snapshotter returns the name of the snapshotter to unpack images into:
// CONTAINERD_SNAPSHOTTER, as for containerd's other clients, or else the
// namespace's default.
func (s *Store) snapshotter(ctx context.Context) (string, error) {
	if name := os.Getenv("CONTAINERD_SNAPSHOTTER"); name != "" {
		return name, nil
	}
	name, err := s.client.GetLabel(ctx, defaults.DefaultSnapshotterNSLabel)
	if err != nil && !errdefs.IsNotFound(err) {
		return "", failed("ask for the default snapshotter", err)
	}
	return cmp.Or(name, defaults.DefaultSnapshotter), nil
}
