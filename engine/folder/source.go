package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/imgsend/imgsend/engine/catalog"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// NewSource finds the requested images in the folder dir: by name, or by the
// start of the digest of their manifest or config, of four digits at least.
// platform picks one of an image with several; nil: all that is present.
func NewSource(ctx context.Context, dir string, reqs []store.Request, platform *ocispec.Platform) (*layout.Source, error) {
	index, err := readIndex(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is not an OCI image layout", dir),
			Hint: "imgrecv --store makes one"}
	}
	if err != nil {
		return nil, store.Failed("read "+dir, err)
	}
	return catalog.NewSource(ctx, blobs(dir), entries(index), dir, reqs, platform)
}
