package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf16"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
)

// haveVersion is the version of the list that this package writes and reads.
const haveVersion = 1

// MaxHaveList bounds a list in bytes: some 800,000 layers.
const MaxHaveList = 64 << 20

// A HaveList lists the layers that an engine has. Whoever makes an archive for this engine
// on another host, without a network between, leaves these layers out.
type HaveList struct {
	Version int       `json:"imgsend_have"`
	Host    string    `json:"host"`
	Engine  string    `json:"engine"` // "Docker 28.5.2, classic store"
	Store   string    `json:"store"`  // one of keys
	Created time.Time `json:"created"`
	// Layers are chain IDs of a classic store, DiffIDs of Podman, and the digests
	// of the blobs of a containerd store, sorted.
	Layers []digest.Digest `json:"layers"`
}

// A Key is the kind of identifier by which a store finds a layer.
type Key int

// The keys.
const (
	ByChain  Key = iota // the chain ID: a classic store knows a layer only on top of those below
	ByDiffID            // Podman
	ByBlob              // the digest of the blob: a containerd store
)

// keys are the names of these in a list.
var keys = map[string]Key{"classic": ByChain, "podman": ByDiffID, "containerd": ByBlob}

// Of returns the identifiers of the layers of m, bottom first; an empty one where it is
// not known.
func (k Key) Of(m *transfer.Image) []digest.Digest {
	ids := make([]digest.Digest, len(m.Layers))
	for i, l := range m.Layers {
		ids[i] = l.DiffID
		if k == ByBlob {
			ids[i] = l.Digest
		}
	}
	if k == ByChain {
		return identity.ChainIDs(ids)
	}
	return ids
}

// NewHaveList returns the list of the layers, identified by k, of an engine on host.
func NewHaveList(host, engine string, k Key, layers []digest.Digest) *HaveList {
	h := &HaveList{Version: haveVersion, Host: host, Engine: engine, Created: time.Now().UTC().Truncate(time.Second), Layers: []digest.Digest{}}
	for name, is := range keys {
		if is == k {
			h.Store = name
		}
	}
	h.Layers = append(h.Layers, layers...)
	slices.Sort(h.Layers)
	return h
}

// Have reports for each layer of an image whether it is on the list.
func (h *HaveList) Have(m transfer.Image) []bool {
	have := make(map[digest.Digest]bool, len(h.Layers))
	for _, d := range h.Layers {
		have[d] = true
	}
	out := make([]bool, len(m.Layers))
	for i, id := range keys[h.Store].Of(&m) {
		out[i] = have[id]
	}
	return out
}

// Write writes the list as JSON.
func (h *HaveList) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(h)
}

// utf8Text returns text in UTF-8 without a byte order mark: a Windows shell's >
// writes UTF-16 or begins with one.
func utf8Text(b []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	default:
		return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	var units []uint16
	for b = b[2:]; len(b) >= 2; b = b[2:] {
		units = append(units, order.Uint16(b))
	}
	return []byte(string(utf16.Decode(units)))
}

// ReadHaveList reads a list. It does not trust the writer.
func ReadHaveList(r io.Reader) (*HaveList, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxHaveList+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxHaveList {
		return nil, fmt.Errorf("over the limit of %d bytes", MaxHaveList)
	}
	var h HaveList
	if err := json.Unmarshal(utf8Text(b), &h); err != nil || h.Version == 0 {
		return nil, errors.New("not a list that imgrecv --have printed")
	}
	if h.Version != haveVersion {
		return nil, fmt.Errorf("a list of version %d, where version %d is known: use the same release on both hosts", h.Version, haveVersion)
	}
	if _, ok := keys[h.Store]; !ok {
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
