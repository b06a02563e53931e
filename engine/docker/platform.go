package docker

import (
	"fmt"

	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// pick checks that img is for the platform that a request wants, or marks which
// of its platforms to read. Only a containerd store has images of several.
func (e *Engine) pick(r store.Request, img *local, p ocispec.Platform) error {
	if e.store == Containerd {
		img.platform = &p
		return nil
	}
	if is := platformOf(img); !matches(is, p) {
		return &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is for %s, not %s", r.Image, platformText(is), platformText(p))}
	}
	return nil
}

func platformOf(l *local) ocispec.Platform {
	return ocispec.Platform{OS: l.inspect.Os, Architecture: l.inspect.Architecture, Variant: l.inspect.Variant}
}

// matches reports whether p is what was wanted, of any variant if none was.
func matches(p, want ocispec.Platform) bool {
	return p.OS == want.OS && p.Architecture == want.Architecture && (want.Variant == "" || p.Variant == want.Variant)
}

func platformText(p ocispec.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}
