package layout

import (
	"bytes"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// SniffLen is how many of a blob's first bytes [Sniff] looks at.
const SniffLen = tarMagicOffset + len(tarMagic)

// The magic of a POSIX or GNU tar header (POSIX.1-1988, ustar). A tar without it
// is a V7 one, which no tool of this field writes.
const (
	tarMagic       = "ustar"
	tarMagicOffset = 257
)

// Sniff tells the media type of a blob by its first [SniffLen] bytes, or all of
// a shorter one: a compressed layer, a layer, or a document. A layer whose
// first file has a name that begins with a brace is still a layer.
func Sniff(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return ocispec.MediaTypeImageLayerGzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}), isSkippable(head):
		return ocispec.MediaTypeImageLayerZstd
	case bytes.HasPrefix(head, []byte("{")) && !isTar(head):
		return ocispec.MediaTypeImageConfig
	}
	return ocispec.MediaTypeImageLayer
}

// isSkippable reports whether head begins a skippable frame of zstd, as pzstd writes it
// before the first other one (RFC 8878, 3.1.2).
func isSkippable(head []byte) bool {
	return len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18})
}

func isTar(head []byte) bool {
	return len(head) >= SniffLen && string(head[tarMagicOffset:SniffLen]) == tarMagic
}
