package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An offer is taken if it has each image that was asked for, and nothing else.
func TestOrdered(t *testing.T) {
	id := digest.FromString("manifest")
	web := transfer.Image{ID: digest.FromString("web"), Refs: []string{"web:1"}}
	both := transfer.Image{ID: digest.FromString("both"), Refs: []string{"web:1", "web:2"}}
	pinned := transfer.Image{ID: id, Config: digest.FromString("config")}
	for _, c := range []struct {
		asked  string
		images []transfer.Image
		want   []string // nil: refused
	}{
		{"web:1", []transfer.Image{web}, []string{""}},
		{"docker.io/library/web:1", []transfer.Image{web}, []string{""}},
		{id.String(), []transfer.Image{pinned}, []string{id.Encoded()}},
		{"app@" + id.String() + " web:1", []transfer.Image{web, pinned}, []string{"", id.Encoded()}},
		{pinned.Config.Encoded()[:12], []transfer.Image{pinned}, []string{pinned.Config.Encoded()[:12]}},
		{"web:1 web:2", []transfer.Image{both}, []string{""}},
		{"web:1", []transfer.Image{both}, nil},
		{"web:2", []transfer.Image{web}, nil},
		{"web:1", []transfer.Image{web, pinned}, nil},
		{"web:1", []transfer.Image{pinned}, nil},
		{"web:1 nginx:1", []transfer.Image{web}, nil},
		{digest.FromString("another").String(), []transfer.Image{pinned}, nil},
		{digest.FromString("another").String(), []transfer.Image{web}, nil},
	} {
		got, err := ordered(strings.Fields(c.asked), c.images)
		if c.want == nil && transfer.KindOf(err) != transfer.KindRefused || c.want != nil && (err != nil || !slices.Equal(got, c.want)) {
			t.Errorf("%s: %q, %v, want %q", c.asked, got, err, c.want)
		}
	}
}

// A digits-only name is a name, too, and not every text is a digest.
func TestDigitsOf(t *testing.T) {
	for text, want := range map[string]string{
		"cafe": "cafe", "sha256:0bc4": "0bc4", "web@sha256:0bc4": "0bc4", "webapp": "", "webapp:1.0": "", "": "", "sha256:": "", "0BC4": "",
	} {
		if got := digitsOf(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// An image that was asked for by its digest comes with a config or a manifest of that
// digest, whatever ID was claimed for it.
func TestDelivered(t *testing.T) {
	index := &transfer.Index{Images: []transfer.IndexImage{
		{Config: ocispec.Descriptor{Digest: digest.FromString("config")}, Root: &ocispec.Descriptor{Digest: digest.FromString("manifest")}}}}
	plan := &transfer.Plan{Images: []transfer.ImagePlan{{Status: transfer.Whole}, {Status: transfer.Take}}}
	for hex, good := range map[string]bool{
		"": true, digest.FromString("config").Encoded(): true, digest.FromString("manifest").Encoded()[:9]: true, digest.FromString("other").Encoded(): false,
	} {
		err := delivered([]string{digest.FromString("here already").Encoded(), hex}, plan, index)
		if good && err != nil || !good && transfer.KindOf(err) != transfer.KindRefused {
			t.Errorf("%q: %v", hex, err)
		}
	}
}
