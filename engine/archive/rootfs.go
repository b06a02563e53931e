package archive

import (
	"context"
	"io"
	"runtime"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// rootFile makes a root file system one image: the tar as it is for the only
// layer, and a config with nothing in it but the platform, that of this host
// where none is wanted. Equal file systems make equal images.
func (m *members) rootFile(ctx context.Context, o Options) (*layout.Source, error) {
	diffID, err := digest.FromReader(&countingReader{ctx: ctx, r: io.NewSectionReader(m.r, 0, m.end)})
	if err != nil {
		return nil, err
	}
	var c rootfs.Config
	c.Platform = ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}
	if o.Platform != nil {
		c.Platform = *o.Platform
	}
	s, err := rootfs.New(&rootfs.Layer{ReaderAt: m.r, Size: m.end, DiffID: diffID}, c, nil)
	if err != nil {
		return nil, err
	}
	s.Note("this is not an archive of images: its files become the root file system of a new image")
	return s.Source, nil
}
