package layout_test

import (
	"testing"

	"github.com/imgsend/imgsend/engine/layout"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestMatches(t *testing.T) {
	platform := func(os, arch, variant string) ocispec.Platform {
		return ocispec.Platform{OS: os, Architecture: arch, Variant: variant}
	}
	for _, tt := range []struct {
		is, want ocispec.Platform
		matches  bool
	}{
		{platform("linux", "arm64", "v8"), platform("linux", "arm64", ""), true},
		{platform("linux", "arm64", ""), platform("linux", "arm64", "v8"), true},
		{platform("linux", "x86_64", ""), platform("linux", "amd64", ""), true},
		{platform("linux", "arm", "v6"), platform("linux", "arm", ""), true},
		{platform("linux", "arm", "v6"), platform("linux", "arm", "v7"), false},
		{platform("linux", "arm", ""), platform("linux", "arm", "v7"), true},
		{platform("linux", "amd64", ""), platform("windows", "amd64", ""), false},
		{platform("", "", ""), platform("linux", "amd64", ""), false},
		{platform("linux", "amd64", ""), platform("", "", ""), false},
	} {
		if got := layout.Matches(tt.is, tt.want); got != tt.matches {
			t.Errorf("%v for %v: %v", tt.is, tt.want, got)
		}
	}
}
