package docker

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/internal/owner"
	"github.com/imgsend/imgsend/engine/throwaway"
)

func TestTemporary(t *testing.T) {
	tag := owner.Tag()
	for _, ref := range []string{commitRepo + ":" + tag, "docker.io/library/" + commitRepo + ":" + tag, "127.0.0.1:1234/" + pushRepo + ":" + tag} {
		if o, ok := temporary(ref); !ok || !strings.HasPrefix(tag, o.Tag("")) {
			t.Errorf("%s is of %+v: %v", ref, o, ok)
		}
	}
	for _, ref := range []string{"", "<none>:<none>", commitRepo, commitRepo + ":latest", "shop/" + commitRepo + ":" + tag, "webapp:" + tag, commitRepo + ":" + tag + "x"} {
		if _, ok := temporary(ref); ok {
			t.Errorf("%s counts as temporary", ref)
		}
	}
	if len(tag) > 128 {
		t.Errorf("%q is too long for a tag", tag)
	}
}

// TestSweep has an engine with temporary names of processes that live, or may live
// elsewhere, and of one that is dead, on an image that was built long ago.
func TestSweep(t *testing.T) {
	all, skipped := throwaway.Available("")
	if len(all) == 0 {
		t.Skipf("no engine can be started here: %v", skipped)
	}
	running, err := throwaway.Start(t.Context(), all[0])
	if err != nil {
		t.Fatal(err)
	}
	defer running.Stop()
	e, err := Find(t.Context(), running.Host())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	m := throwaway.Image{Ref: "swept:1", Layers: []throwaway.Layer{{Size: 1000, Seed: 1}}}
	if err := throwaway.Load(t.Context(), running, m); err != nil {
		t.Fatal(err)
	}
	boot, ns := owner.Here()
	const nobody = 4194305 // over the largest process ID of Linux
	tag := func(since time.Time, ns uint64, pid int) string {
		return owner.Owner{Since: since.Unix(), Boot: boot, NS: ns, PID: pid}.Tag("abcdefgh")
	}
	now := time.Now()
	want := map[string]bool{
		commitRepo + ":" + owner.Tag():                                 true,
		commitRepo + ":" + tag(now, ns+1, nobody):                      true,
		commitRepo + ":" + tag(now.Add(-2*owner.LeftoverAge), ns+1, 1): false,
		commitRepo + ":" + tag(now, ns, nobody):                        false,
		"127.0.0.1:9/" + pushRepo + ":" + tag(now, ns, nobody):         false,
		"shop/" + commitRepo + ":" + tag(now, ns, nobody):              true, // somebody's own
	}
	for ref := range want {
		if err := e.api.ImageTag(t.Context(), m.Ref, ref); err != nil {
			t.Fatal(err)
		}
	}
	e.sweep(t.Context())
	list, err := e.api.ImageList(t.Context(), image.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, s := range list {
		for _, ref := range s.RepoTags {
			left[ref] = true
		}
	}
	for ref, stays := range want {
		if left[ref] != stays {
			t.Errorf("%s is there: %v, not %v", ref, left[ref], stays)
		}
	}
}

// TestNamesAreLasting lists images with names of all kinds: temporary ones are left out,
// of whoever is running now.
func TestNamesAreLasting(t *testing.T) {
	tag := owner.Tag()
	got := names([]image.Summary{
		{RepoTags: []string{"webapp:1.0", commitRepo + ":" + tag}},
		{RepoTags: []string{"docker.io/library/" + commitRepo + ":" + tag}},
		{RepoTags: []string{"127.0.0.1:41233/" + pushRepo + ":" + tag, "<none>:<none>"}},
		{},
		{RepoTags: []string{commitRepo + ":mine", "shop/web:1"}},
	})
	if want := []string{"webapp:1.0", commitRepo + ":mine", "shop/web:1"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}
