package layout

import (
	"context"
	"encoding/json"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// History returns what made each layer of an image, as its config says, bottom first; nil
// if the config does not say it of each layer. id is that of an offered image.
func (s *Source) History(ctx context.Context, id digest.Digest) ([]string, error) {
	m := s.item(id)
	r, err := s.blobs.Open(ctx, m.Index.Config.Digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var config struct {
		History []ocispec.History `json:"history"`
	}
	if err := json.NewDecoder(io.LimitReader(r, MaxDocument)).Decode(&config); err != nil {
		return nil, err
	}
	var made []string
	for _, h := range config.History {
		if !h.EmptyLayer {
			made = append(made, h.CreatedBy)
		}
	}
	if len(made) != len(m.Layers) {
		return nil, nil
	}
	return made, nil
}
