package archive

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// maxWindow bounds the memory of a zstd decoder: the zstd program's own limit
// without --long.
const maxWindow = 128 << 20

// magics are the first bytes of the compressions that are understood.
var magics = []struct {
	name  string
	magic []byte
	open  func(io.Reader) (io.ReadCloser, error)
}{
	{"gzip", []byte{0x1f, 0x8b}, func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
	{"zstd", []byte{0x28, 0xb5, 0x2f, 0xfd}, func(r io.Reader) (io.ReadCloser, error) {
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}},
	{"bzip2", []byte("BZh"), func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(bzip2.NewReader(r)), nil }},
	{"xz", []byte{0xfd, '7', 'z', 'X', 'Z', 0}, func(r io.Reader) (io.ReadCloser, error) {
		x, err := xz.NewReader(r)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(x), nil
	}},
}

// decompress returns a reader of what r has compressed, and the name of the
// compression, empty if there is none. The caller closes it.
func decompress(r *bufio.Reader) (io.ReadCloser, string, error) {
	head, err := r.Peek(6)
	if err != nil && err != io.EOF {
		return nil, "", err
	}
	for _, m := range magics {
		if bytes.HasPrefix(head, m.magic) {
			z, err := m.open(r)
			if err != nil {
				return nil, m.name, broken("the archive's %s compression: %w", m.name, early(err))
			}
			return z, m.name, nil
		}
	}
	return io.NopCloser(r), "", nil
}
