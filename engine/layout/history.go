package layout

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// History says how an image was made, as its config says it.
type History struct {
	Created time.Time // zero: not known
	// Layers are the commands that made the layers, bottom first; nil if that is not
	// known of each.
	Layers []string
}

// History returns how an offered image was made.
func (s *Source) History(ctx context.Context, id digest.Digest) (History, error) {
	m := s.item(id)
	r, err := s.blobs.Open(ctx, m.Index.Config.Digest)
	if err != nil {
		return History{}, err
	}
	defer r.Close()
	var config struct {
		Created time.Time         `json:"created"`
		History []ocispec.History `json:"history"`
	}
	if err := json.NewDecoder(io.LimitReader(r, MaxDocument)).Decode(&config); err != nil {
		return History{}, err
	}
	out := History{Created: config.Created}
	var made []string
	for _, h := range config.History {
		if !h.EmptyLayer {
			made = append(made, h.CreatedBy)
		}
	}
	if len(made) == len(m.Layers) {
		out.Layers = made
	}
	return out, nil
}
