package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// What a receiver asks for is found by any way to write a name, and nothing that is not
// offered is.
func TestWanted(t *testing.T) {
	reqs := []store.Request{{Image: "webapp:1.0"}, {Image: "0bc42f7ff218", As: "team/tool:2"}, {Image: "nginx"}}
	listed := digest.FromString("listed")
	for asked, want := range map[string]string{
		"sha256:feed webapp:1.0":            listed.String() + " webapp:1.0",
		"webapp:1.0":                        "webapp:1.0",
		"docker.io/library/webapp:1.0":      "webapp:1.0",
		"team/tool:2":                       "0bc42f7ff218",
		"nginx:latest webapp:1.0":           "nginx webapp:1.0",
		"0bc42f7ff218":                      "",
		"webapp":                            "",
		"team/tool":                         "",
		"webapp:1.0 sha256:0bc42f7ff218":    "",
		"webapp:1.0 webapp:1.0 nothing:1.0": "",
	} {
		got, err := wanted(reqs, strings.Fields(asked), func(text string) digest.Digest {
			if text == "sha256:feed" {
				return listed
			}
			return ""
		})
		var images []string
		for _, r := range got {
			images = append(images, r.Image)
		}
		if strings.Join(images, " ") != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v, want %q", asked, images, err, want)
		}
		if err != nil && transfer.KindOf(err) != transfer.KindRefused {
			t.Errorf("%q: %v is no refusal", asked, err)
		}
	}
}

// A digest stands for an offered image, and for none if it is short or not of the name
// that stands before it.
func TestByDigest(t *testing.T) {
	id := digest.FromString("manifest")
	config := digest.FromString("config")
	images := []transfer.Image{
		{ID: digest.FromString("other"), Refs: []string{"nginx:1.22"}},
		{ID: id, Root: id, Config: config, Refs: []string{"webapp:1.0", "webapp:latest"}},
	}
	for text, want := range map[string]digest.Digest{
		id.String():                       id,
		id.Encoded()[:12]:                 id,
		"sha256:" + id.Encoded()[:4]:      id,
		config.String():                   id,
		"webapp@" + id.String():           id,
		"webapp:1.0@" + id.String():       id,
		id.Encoded()[:3]:                  "",
		"nginx@" + id.String():            "",
		"NGINX@" + id.String():            "",
		digest.FromString("no").String():  "",
		"":                                "",
		"webapp@":                         "",
		"webapp@sha256:":                  "",
		"docker.io/webapp@" + id.String(): id,
	} {
		if got := byDigest(images, text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	both := append(slices.Clip(images), transfer.Image{ID: digest.FromString("x"), Config: config})
	if got := byDigest(both, config.String()); got != "" {
		t.Errorf("two images of one config: %q", got)
	}
}
