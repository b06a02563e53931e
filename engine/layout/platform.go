package layout

import (
	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// PlatformText writes a platform as OS/ARCH[/VARIANT]; empty if it is none or not
// named in full, as in a config that lacks its architecture.
func PlatformText(p ocispec.Platform) string {
	if !named(p) {
		return ""
	}
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// PlatformOrDigest returns the platform of what an index lists, or its digest if it is
// listed without one.
func PlatformOrDigest(d ocispec.Descriptor) string {
	if d.Platform != nil && named(*d.Platform) {
		return PlatformText(*d.Platform)
	}
	return d.Digest.String()
}

// Matches reports whether p is the wanted platform: of any variant if want has
// none, and by any of the names that a platform has, such as arm64 and arm64/v8,
// or amd64 and x86_64.
func Matches(p, want ocispec.Platform) bool {
	if !named(p) || !named(want) {
		return false
	}
	p, exact := platforms.Normalize(p), platforms.Normalize(want)
	return p.OS == exact.OS && p.Architecture == exact.Architecture && (want.Variant == "" || p.Variant == exact.Variant)
}

// named reports whether p names a platform: a config need not.
func named(p ocispec.Platform) bool { return p.OS != "" && p.Architecture != "" }
