package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// haveVersion is the version of the list that this package writes and reads.
const haveVersion = 1

// MaxHaveList bounds a list in bytes: some 800,000 layers.
const MaxHaveList = 64 << 20

// A HaveList is what an engine has of layers, written down for those who make an
// archive for it where it cannot be asked.
type HaveList struct {
	Version int       `json:"imgsend_have"`
	Host    string    `json:"host"`
	Engine  string    `json:"engine"` // "Docker 28.5.2, classic store"
	Store   string    `json:"store"`  // one of haveStores
	Created time.Time `json:"created"`
	// Layers are chain IDs of a classic store, DiffIDs of Podman, and the digests
	// of the blobs of a containerd store, sorted.
	Layers []digest.Digest `json:"layers"`
}

// haveStores is what a list calls the stores.
var haveStores = map[string]Store{"classic": Classic, "containerd": Containerd, "podman": Podman}

// HaveList lists what the engine has. Of a containerd store these are the blobs
// that its images reach. host is for those who read the list.
func (e *Engine) HaveList(ctx context.Context, host string) (*HaveList, error) {
	h := &HaveList{Version: haveVersion, Host: host, Engine: e.String(), Created: time.Now().UTC().Truncate(time.Second), Layers: []digest.Digest{}}
	for name, s := range haveStores {
		if s == e.store {
			h.Store = name
		}
	}
	have, err := e.haveLayers(ctx)
	if err != nil {
		return nil, failed("list what is there", err)
	}
	h.Layers = append(h.Layers, have...)
	slices.Sort(h.Layers)
	return h, nil
}

func (e *Engine) haveLayers(ctx context.Context) ([]digest.Digest, error) {
	if e.store == Containerd {
		content, err := e.contentListing(ctx)
		if err != nil && ctx.Err() == nil {
			return nil, &transfer.Error{Kind: transfer.KindEngine, Err: fmt.Errorf("%s cannot tell which layers it has: %w", e, err),
				Hint: "use its own socket instead of a proxy, or make a complete archive"}
		}
		if err != nil {
			return nil, err
		}
		return content.Digests(), nil
	}
	images, err := e.locals(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Collect(maps.Keys(e.inventory(images).have)), nil
}

// Have says for each layer of an image whether it is on the list.
func (h *HaveList) Have(m transfer.Image) []bool {
	have := make(map[digest.Digest]bool, len(h.Layers))
	for _, d := range h.Layers {
		have[d] = true
	}
	store := haveStores[h.Store]
	if store != Containerd {
		return (&inventory{store: store, have: have}).layers(&m)
	}
	out := make([]bool, len(m.Layers))
	for i, l := range m.Layers {
		out[i] = have[l.Digest] // of no digest if it is not known: then not
	}
	return out
}

// Write writes the list as JSON.
func (h *HaveList) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(h)
}

// ReadHaveList reads a list, which may come from anybody.
func ReadHaveList(r io.Reader) (*HaveList, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxHaveList+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxHaveList {
		return nil, fmt.Errorf("over the limit of %d bytes", MaxHaveList)
	}
	var h HaveList
	if err := json.Unmarshal(b, &h); err != nil || h.Version == 0 {
		return nil, errors.New("not a list that imgrecv --have printed")
	}
	if h.Version != haveVersion {
		return nil, fmt.Errorf("a list of version %d, where version %d is known: use the same release on both hosts", h.Version, haveVersion)
	}
	if _, ok := haveStores[h.Store]; !ok {
		return nil, fmt.Errorf("a list of a store %.40q that is not known", h.Store)
	}
	for _, d := range h.Layers {
		if err := d.Validate(); err != nil {
			return nil, fmt.Errorf("layer %.80q: %w", d, err)
		}
	}
	// It is shown to the user.
	for _, s := range []*string{&h.Host, &h.Engine} {
		*s = transfer.Printable(*s)
	}
	return &h, nil
}
