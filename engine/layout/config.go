package layout

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Config is what an image config says of the platform and of the layers. The rest is
// for the engine to judge: Docker, for one, takes a Cmd that is a string.
type Config struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
	RootFS       struct {
		DiffIDs []digest.Digest `json:"diff_ids"`
	} `json:"rootfs"`
}

// Platform returns the platform that the config names; its fields may be empty.
func (c *Config) Platform() ocispec.Platform {
	return ocispec.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}
}
