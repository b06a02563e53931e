package engine_test

import (
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// described is what an engine says of an image before it is exported.
func described(t *testing.T, e *throwaway.Engine, ref string) transfer.Image {
	t.Helper()
	src, err := engine.NewSource(t.Context(), open(t, e), []engine.Request{{Image: ref}})
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
	repo string // of the name that it has for a push
}

func (r *remover) see(q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	about := strings.Contains(q.URL.Path, r.id.Encoded())
	if about && strings.HasSuffix(q.URL.Path, "/tag") {
		r.repo = q.URL.Query().Get("repo")
	}
	if !about && (r.repo == "" || !strings.Contains(q.URL.Path, r.repo)) {
		return
	}
	if r.seen++; r.seen == r.nth {
		if _, err := r.api.ImageRemove(q.Context(), r.id.String(), image.RemoveOptions{Force: true}); err != nil {
			r.t.Error(err)
		}
	}
}

// TestHaveListRemoved has an image removed before each request that a listing
// makes about it. The others are listed.
func TestHaveListRemoved(t *testing.T) {
	const toPush = 4 // one of a containerd store is inspected, found complete, tagged, pushed
	for _, spec := range specs(t) {
		if spec.Name == "containerd-26.1" { // cannot be listed
			continue
		}
		t.Run(spec.Name, func(t *testing.T) {
			e := pool.get(t, spec, "sender")
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
				ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "e.sock"))
				if err != nil {
					t.Fatal(err)
				}
				list, err := behind(t, e, ln, r.see).HaveList(t.Context(), "farhost")
				if err != nil {
					t.Fatalf("removed at request %d: %v", nth, err)
				}
				if have := list.Have(kept); slices.Contains(have, false) {
					// The proxy cuts an answer short at times, on a busy machine:
					// then an image is left out, which a list may do.
					t.Logf("request %d: of the image that stays it lists %v", nth, have)
					again, err := open(t, e).HaveList(t.Context(), "farhost")
					if err != nil || slices.Contains(again.Have(kept), false) {
						t.Errorf("request %d: and again %v", nth, err)
					}
				}
				if r.seen < nth {
					break
				}
				requests++
				if have := list.Have(lost); slices.Contains(have, true) && nth <= toPush {
					t.Errorf("request %d: of the image that is gone it lists %v", nth, have)
				}
				leftovers(t, e)
				load(t, e, gone)
			}
			if requests == 0 || spec.Containerd && requests < toPush {
				t.Errorf("a listing makes %d requests about an image", requests)
			}
		})
	}
}

// TestHaveListElsewhere lists engines by an address that may be another host's.
// Only a containerd store has to be here for that.
func TestHaveListElsewhere(t *testing.T) {
	for _, spec := range specs(t) {
		if spec.Name == "containerd-26.1" { // cannot be listed
			continue
		}
		t.Run(spec.Name, func(t *testing.T) {
			e := pool.get(t, spec, "sender")
			m, _ := versions(t.Name())
			load(t, e, m)
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			list, err := behind(t, e, ln, func(*http.Request) {}).HaveList(t.Context(), "farhost")
			switch {
			case spec.Containerd:
				wantError(t, err, transfer.KindEngine, "is not on this host")
				if !strings.Contains(hint(err), "imgrecv --have on its host") {
					t.Errorf("hint %q", hint(err))
				}
			case err != nil:
				t.Error(err)
			case slices.Contains(list.Have(described(t, e, m.Ref)), false):
				t.Error("it does not list the image")
			}
		})
	}
}

// TestHaveListUndescribed lists an engine that fails every push.
func TestHaveListUndescribed(t *testing.T) {
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		if spec.Name == "containerd-26.1" { // cannot be listed
			t.Skip("it cannot be listed")
		}
		e := start(t, spec)
		defer e.Stop()
		list := func(see func(*http.Request)) (*engine.HaveList, error) {
			t.Helper()
			ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "e.sock"))
			if err != nil {
				t.Fatal(err)
			}
			return behind(t, e, ln, see).HaveList(t.Context(), "farhost")
		}
		spoil := func(r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/push") {
				r.URL.Path = "/spoilt"
			}
		}
		if h, err := list(spoil); err != nil || len(h.Layers) != 0 {
			t.Errorf("an engine without images: %+v, %v", h, err)
		}
		m, _ := versions(t.Name())
		load(t, e, m)
		_, err := list(spoil)
		wantError(t, err, transfer.KindEngine, "describe "+m.Ref)
		if h, err := list(func(*http.Request) {}); err != nil || len(h.Layers) != len(m.Layers) {
			t.Errorf("%+v, %v", h, err)
		}
		leftovers(t, e)
	})
}
