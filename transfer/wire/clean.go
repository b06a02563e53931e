package wire

import (
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// clip cuts s to at most n bytes.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// cleanOffer makes what another host says fit to be shown.
func cleanOffer(o *transfer.Offer) {
	for i := range o.Images {
		m := &o.Images[i]
		for j, ref := range m.Refs {
			m.Refs[j] = transfer.Printable(ref)
		}
		cleanPlatform(&m.Platform)
	}
}

func cleanPlatform(p *ocispec.Platform) {
	for _, s := range []*string{&p.OS, &p.Architecture, &p.OSVersion, &p.Variant} {
		*s = clip(transfer.Printable(*s), 200)
	}
}
