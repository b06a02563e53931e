package docker

import (
	"strings"
	"testing"
)

func TestTemporary(t *testing.T) {
	tag := ownerTag()
	for _, ref := range []string{commitRepo + ":" + tag, "docker.io/library/" + commitRepo + ":" + tag, "127.0.0.1:1234/" + pushRepo + ":" + tag} {
		if o, ok := temporary(ref); !ok || !strings.HasPrefix(tag, o.tag("")) {
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

// FuzzOwner reads tags: what is read is written in the same way.
func FuzzOwner(f *testing.F) {
	for _, s := range []string{"", "latest", ownerTag(), "1-000000000000-0-1-abcdefgh", "01-000000000000-0-1-abcdefgh",
		"1-000000000000-0-0-abcdefgh", "999999999999-ffffffffffff-999999999999-999999999999-22222222"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, ok := parseOwner(s)
		if ok && (o.pid <= 0 || o.tag(s[max(0, len(s)-8):]) != s) {
			t.Errorf("%q is read as %+v", s, o)
		}
	})
}
