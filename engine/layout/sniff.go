package layout

import (
	"bytes"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Sniff tells the media type of a blob by its first bytes, which is only of
// interest for whether it is compressed.
func Sniff(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return ocispec.MediaTypeImageLayerGzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return ocispec.MediaTypeImageLayerZstd
	case bytes.HasPrefix(head, []byte("{")):
		return ocispec.MediaTypeImageConfig
	}
	return ocispec.MediaTypeImageLayer
}
