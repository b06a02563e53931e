package wire

import (
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// clip returns s if it has at most n bytes, else its first n bytes and an ellipsis.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// cleanOffer makes the names and platforms of a received offer safe to print.
func cleanOffer(o *transfer.Offer) {
	for i := range o.Images {
		m := &o.Images[i]
		for j, ref := range m.Refs {
			m.Refs[j] = transfer.Printable(ref)
		}
		cleanPlatform(&m.Platform)
	}
}

// cleanPlatform makes the fields of a received platform safe to print.
func cleanPlatform(p *ocispec.Platform) {
	for _, s := range []*string{&p.OS, &p.Architecture, &p.OSVersion, &p.Variant} {
		*s = clip(transfer.Printable(*s), 200)
	}
}
