package archive

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/ulikunitz/xz"
)

// maxWindow bounds the memory of a decoder: the zstd program's own limit without
// --long, and twice what xz -9 needs.
const maxWindow = 128 << 20

// A compression is a format that the package reads. It is recognised by its first bytes.
type compression struct {
	name  string
	magic []byte
	open  func(*bufio.Reader) (io.ReadCloser, error)
}

var magics = []compression{
	{"gzip", []byte{0x1f, 0x8b}, func(r *bufio.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
	{"zstd", []byte{0x28, 0xb5, 0x2f, 0xfd}, func(r *bufio.Reader) (io.ReadCloser, error) {
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}},
	{"bzip2", []byte("BZh"), func(r *bufio.Reader) (io.ReadCloser, error) { return io.NopCloser(bzip2.NewReader(r)), nil }},
	{"xz", []byte{0xfd, '7', 'z', 'X', 'Z', 0}, func(r *bufio.Reader) (io.ReadCloser, error) {
		if n := xzWindow(r); n > maxWindow {
			return nil, fmt.Errorf("it needs %d bytes of memory, over the limit of %d", n, maxWindow)
		}
		x, err := xz.NewReader(r)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(x), nil
	}},
}

// compressed reports whether data that begins with head is compressed.
func compressed(head []byte) bool {
	return slices.ContainsFunc(magics, func(m compression) bool { return m.begins(head) })
}

// begins reports whether data that is compressed so can begin with head. In zstd it may
// begin with a frame to be skipped, as pzstd writes it.
func (m *compression) begins(head []byte) bool {
	return bytes.HasPrefix(head, m.magic) || m.name == "zstd" && layout.Sniff(head) == ocispec.MediaTypeImageLayerZstd
}

// A packed is a compressed member, and its size when it is decompressed.
type packed struct {
	member
	size int64
}

// decompress returns a reader of what r has compressed, and the name of the
// compression, empty if there is none. The caller closes it.
func decompress(r *bufio.Reader) (io.ReadCloser, string, error) {
	head, err := r.Peek(6)
	if err != nil && err != io.EOF {
		return nil, "", err
	}
	for _, m := range magics {
		if m.begins(head) {
			z, err := m.open(r)
			if err != nil {
				return nil, m.name, transfer.Broken("the archive's %s compression: %w", m.name, early(err))
			}
			return z, m.name, nil
		}
	}
	return io.NopCloser(r), "", nil
}

// xzWindow returns the size of the dictionary that the first block of an xz
// stream asks for ("The .xz File Format", 3.1 and 5.3.1); 0 where it does not
// say. The decoder allocates it at once.
func xzWindow(r *bufio.Reader) int64 {
	b, err := r.Peek(48)
	if err != nil && err != io.EOF || len(b) < 16 {
		return 0
	}
	flags := b[13]
	b = b[14:]
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		b = b[max(n, 0):]
		return v
	}
	for _, size := range []byte{0x40, 0x80} {
		if flags&size != 0 {
			next()
		}
	}
	const lzma2 = 0x21
	if next() != lzma2 || next() != 1 || len(b) == 0 || b[0] > 40 {
		return 0
	}
	return int64(2|b[0]&1) << (b[0]/2 + 11)
}
