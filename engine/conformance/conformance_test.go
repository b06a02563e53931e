package conformance_test

import (
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
)

// TestConformance takes images out of a file into every end and out of it again.
// It takes what a file system can hold over a stream from every end to every kind
// of end, and to every end from every kind, and leaves out other pairs of versions.
func TestConformance(t *testing.T) {
	all, full := pictures(t), content(t)
	all = append(all, full)
	made := writeArchive(t, all...)
	sources := ends(t)
	for _, e := range sources {
		t.Run("through "+e.name, func(t *testing.T) {
			for _, p := range all {
				testThrough(t, made, e.end, p)
			}
		})
	}
	sinks := ends(t)
	family := func(e namedEnd) string {
		if e.name == "folder" || e.name == "compressed file" {
			return "file" // not worth families of their own: they have no versions
		}
		return throwawaytest.Family(e.name)
	}
	for _, p := range throwawaytest.Pairs(sources, sinks, family) {
		t.Run(p[0].name+" to "+p[1].name, func(t *testing.T) { testPair(t, p[0], p[1], full) })
	}
}

// testThrough copies a picture from a file into an end and from there into
// another file.
func testThrough(t *testing.T, made fileEnd, e end, p picture) {
	t.Helper()
	if e, ok := e.(*engineEnd); ok && e.Kind() == docker.Classic && len(p.layers) > classicDepth {
		testTooDeep(t, made, e, p)
		return
	}
	if _, err := transfer.Copy(t.Context(), made.source(t, p.ref), e.sink(t), transfer.Options{}); err != nil {
		t.Errorf("%s: %v", p.ref, err)
		return
	}
	check(t, e, p)
	out := newFile(t)
	if _, err := transfer.Copy(t.Context(), e.source(t, p.ref), out.sink(t), transfer.Options{}); err != nil {
		t.Errorf("%s: %v", p.ref, err)
		return
	}
	check(t, out, p)
}

// classicDepth is how many layers a classic store takes, from 20.10 to 29.0.
const classicDepth = 125

// testTooDeep has a classic store refuse a picture, and keep nothing of it.
func testTooDeep(t *testing.T, made fileEnd, e *engineEnd, p picture) {
	t.Helper()
	before := e.list(t, image.ListOptions{All: true})
	_, err := transfer.Copy(t.Context(), made.source(t, p.ref), e.sink(t), transfer.Options{})
	if transfer.KindOf(err) != transfer.KindEngine || !strings.Contains(err.Error(), "max depth exceeded") {
		t.Errorf("%s: error %v, not the engine's about its depth", p.ref, err)
	}
	if after := e.list(t, image.ListOptions{All: true}); len(after) != len(before) {
		t.Errorf("%s: %d images before, %d after", p.ref, len(before), len(after))
	}
}

// testPair copies a picture of [content] over a stream.
func testPair(t *testing.T, from, to end, p picture) {
	if _, err := transfertest.Copy(t, from.source(t, p.ref), to.sink(t), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	check(t, to, p)
	checkContent(t, to.files(t, p.ref))
	to.clear(t)
}
