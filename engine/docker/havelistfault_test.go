package docker_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// described is what an engine says of an image before it is exported.
func described(t *testing.T, e *throwaway.Engine, ref string) transfer.Image {
	t.Helper()
	src, err := docker.NewSource(t.Context(), open(t, e), []store.Request{{Image: ref}}, store.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := src.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o.Images[0]
}

// A remover removes an image in the moment of the nth request about it.
type remover struct {
	t   *testing.T
	api *client.Client
	id  digest.Digest
	nth int

	mu   sync.Mutex
	seen int
}

func (r *remover) see(q *http.Request) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !strings.Contains(q.URL.Path, r.id.Encoded()) {
		return true
	}
	if r.seen++; r.seen == r.nth {
		if _, err := r.api.ImageRemove(q.Context(), r.id.String(), image.RemoveOptions{Force: true}); err != nil {
			r.t.Error(err)
		}
	}
	return true
}

// TestHaveListRemoved has an image removed before each request that a listing
// makes about it. The others are listed. A containerd store is not asked about
// single images.
func TestHaveListRemoved(t *testing.T) {
	layered(t, func(t *testing.T, spec throwaway.Spec) {
		e := pool.Get(t, spec, "sender")
		api, err := e.Client()
		if err != nil {
			t.Fatal(err)
		}
		defer api.Close()
		stays, gone := versions(t.Name())
		gone.Layers = gone.Layers[len(gone.Layers)-1:]
		load(t, e, stays, gone)
		kept, lost := described(t, e, stays.Ref), described(t, e, gone.Ref)
		requests := 0
		for nth := 1; ; nth++ {
			r := &remover{t: t, api: api, id: lost.ID, nth: nth}
			list, err := behind(t, e, "unix", r.see).HaveList(t.Context(), "farhost")
			if err != nil {
				t.Fatalf("removed at request %d: %v", nth, err)
			}
			if have := list.Have(kept); slices.Contains(have, false) {
				t.Errorf("request %d: of the image that stays it lists %v", nth, have)
			}
			if r.seen < nth {
				break
			}
			requests++
			if have := list.Have(lost); slices.Contains(have, true) {
				t.Errorf("request %d: of the image that is gone it lists %v", nth, have)
			}
			leftovers(t, e)
			load(t, e, gone)
		}
		if requests == 0 {
			t.Error("a listing makes no request about an image")
		}
	})
}

// TestHaveListElsewhere lists engines by an address that may be another host's.
func TestHaveListElsewhere(t *testing.T) {
	for _, spec := range specs(t) {
		t.Run(spec.Name, func(t *testing.T) {
			e := pool.Get(t, spec, "sender")
			m, _ := versions(t.Name())
			load(t, e, m)
			list, err := behind(t, e, "tcp", func(*http.Request) bool { return true }).HaveList(t.Context(), "farhost")
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(list.Have(described(t, e, m.Ref)), false) {
				t.Error("it does not list the image")
			}
		})
	}
}

// TestHaveListUnserved lists an engine whose content store is hidden.
func TestHaveListUnserved(t *testing.T) {
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		e := pool.Get(t, spec, "sender")
		_, err := behind(t, e, "unix", noGRPC).HaveList(t.Context(), "farhost")
		wantError(t, err, transfer.KindEngine, "cannot tell which layers it has")
		if hint(err) == "" {
			t.Error("no hint")
		}
	})
}
