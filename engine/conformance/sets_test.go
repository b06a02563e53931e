package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
)

// TestSets takes images out of every store by a pattern, and all that it has: one of them
// has two names, and one has none.
func TestSets(t *testing.T) {
	named := func(ref string, size int64) picture {
		return picture{ref: ref, layers: []layer{layerOf(t, file("one", size))}}
	}
	web, api, other := named("shop/web:1", 1), named("shop/api:2", 2), named("other:1", 3)
	made := writeArchive(t, web, api, other)
	for _, e := range ends(t) {
		var from store.Store
		switch e := e.end.(type) {
		case *engineEnd:
			from = e.Engine
		case *nativeEnd:
			from = e.Store
		case folderEnd:
			from = folder.New(string(e))
		default: // an archive has no store
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			load := func(rename func([]transfer.Image)) {
				src := made.source(t, web.ref, api.ref, other.ref)
				offer, err := src.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				rename(offer.Images)
				again := made.source(t, web.ref, api.ref, other.ref).(interface{ Select([]transfer.Image) })
				again.Select(offer.Images)
				if _, err := transfer.Copy(t.Context(), again.(transfer.Source), e.sink(t), transfer.Options{}); err != nil {
					t.Fatal(err)
				}
			}
			load(func(m []transfer.Image) { m[2].Refs = nil })
			load(func(m []transfer.Image) { m[0].Refs, m[2].Refs = []string{"second:1"}, nil })
			names, err := from.(store.Namer).Names(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(names)
			if want := []string{"second:1", "shop/api:2", "shop/web:1"}; !slices.Equal(names, want) {
				t.Fatalf("the names are %q, not %q", names, want)
			}
			var search store.Search
			for what, test := range map[string]struct {
				reqs []store.Request
				want []string // the names of each image, joined
			}{
				"a pattern":            {search.Expand([]string{"shop/*"}, e.name, names), []string{"shop/api:2", "shop/web:1"}},
				"a pattern and a name": {search.Expand([]string{"second:1", "shop/w*", "shop/*"}, e.name, names), []string{"second:1 shop/web:1", "shop/api:2"}},
				"all":                  {store.All(names), []string{"second:1 shop/web:1", "shop/api:2"}},
			} {
				src, err := from.Source(t.Context(), test.reqs, store.SourceOptions{})
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				offer, err := src.Next(t.Context())
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if got := namesOf(offer.Images); !slices.Equal(got, test.want) {
					t.Errorf("%s: %q, not %q", what, got, test.want)
				}
				if err := src.Close(nil); err != nil {
					t.Error(err)
				}
			}
			if err := search.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// namesOf returns the names of each image in one word, sorted.
func namesOf(images []transfer.Image) []string {
	var out []string
	for _, m := range images {
		out = append(out, strings.Join(slices.Sorted(slices.Values(m.Refs)), " "))
	}
	slices.Sort(out)
	return out
}
