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

// TestNoPlatform reads images whose configs do not name their platform in full: a
// platform that is wanted decides only between several.
func TestNoPlatform(t *testing.T) {
	amd64 := ocispec.Platform{OS: "linux", Architecture: "amd64"}
	for _, p := range []ocispec.Platform{{}, {OS: "linux"}, {Architecture: "amd64"}} {
		b := blobs{}
		root := b.image(t, p, ocispec.MediaTypeImageLayer)
		for _, want := range []*ocispec.Platform{nil, &amd64} {
			item, err := (&layout.Reader{Blobs: b, Platform: want}).Image(t.Context(), root)
			if err != nil || item.ID != root.Digest {
				t.Errorf("%+v for %v: %+v, %v", p, want, item, err)
			}
		}
		if text := layout.PlatformText(p); text != "" {
			t.Errorf("%+v is written %q", p, text)
		}
		docs := layout.NewDocuments()
		listed := root
		listed.Platform = &amd64
		all := b.json(t, ocispec.MediaTypeImageIndex, index(listed))
		for d, content := range b {
			if err := docs.Add(d, content); err != nil {
				t.Fatal(err)
			}
		}
		if docs.Find(all.Digest, p, 1) == nil {
			t.Errorf("%+v: the manifest is not found in its index", p)
		}
	}
}
