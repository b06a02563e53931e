package archive

import (
	"context"
	"encoding/json"
	"io"
	"runtime"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// rootFile makes a root file system one image: the tar as it is for the only
// layer, and a config with nothing in it but the platform, that of this host
// where none is wanted. Equal file systems make equal images.
func (m *members) rootFile(ctx context.Context, o Options) (*layout.Source, error) {
	layer := member{size: m.end}
	diffID, err := digest.FromReader(&countingReader{ctx: ctx, r: io.NewSectionReader(m.r, 0, m.end)})
	if err != nil {
		return nil, err
	}
	m.blobs[diffID] = layer
	var c rootfs.Config
	c.Platform = ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}
	if o.Platform != nil {
		c.Platform = *o.Platform
	}
	c.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}}
	b, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	id := digest.FromBytes(b)
	m.small[id] = b
	item := layout.Item{}
	item.ID, item.Config, item.Platform = id, id, c.Platform
	item.Layers = []transfer.Layer{{DiffID: diffID, Digest: diffID, Size: layer.size}}
	item.Index = transfer.IndexImage{ID: id,
		Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: id, Size: int64(len(b))},
		Layers: []ocispec.Descriptor{{MediaType: ocispec.MediaTypeImageLayer, Digest: diffID, Size: layer.size}}}
	item.Blobs = append(item.Blobs, item.Index.Layers[0], item.Index.Config)
	s := layout.NewSource(m, []layout.Item{item}, nil)
	s.Note("this is not an archive of images: its files become the root file system of a new image")
	return s, nil
}
