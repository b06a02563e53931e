package cli_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

func TestParseNamingBad(t *testing.T) {
	for _, values := range [][]string{{"A B"}, {"=webapp:1"}, {"a", "b"}, {"a=b", "c"}, {"a=b", "a:latest=c"}, {"a=B:C"}} {
		var usage *cli.UsageError
		if _, err := cli.ParseNaming(values); !errors.As(err, &usage) {
			t.Errorf("%q: %v", values, err)
		}
	}
}

func TestNamingApply(t *testing.T) {
	id := digest.FromString("x")
	for _, c := range []struct {
		as   []string
		refs [][]string // of the images
		want [][]string
	}{
		{nil, [][]string{{"a:1"}, nil}, [][]string{{"a:1"}, nil}},
		{[]string{"webapp"}, [][]string{nil}, [][]string{{"webapp:latest"}}},
		{[]string{"host:5000/team/webapp:2"}, [][]string{{"a:1", "b:1"}}, [][]string{{"host:5000/team/webapp:2"}}},
		{[]string{"a=c:1"}, [][]string{{"a:latest", "b:1"}}, [][]string{{"c:1", "b:1"}}},
		{[]string{"docker.io/library/a:1=c:1", "b:1=d"}, [][]string{{"a:1"}, {"b:1"}}, [][]string{{"c:1"}, {"d:latest"}}},
		{[]string{id.Encoded()[:12] + "=c:1"}, [][]string{nil}, [][]string{{"c:1"}}},
		{[]string{"a:1=c:1", "b:1=c:1"}, [][]string{{"a:1", "b:1"}}, [][]string{{"c:1"}}},
	} {
		n, err := cli.ParseNaming(c.as)
		if err != nil {
			t.Errorf("%q: %v", c.as, err)
			continue
		}
		images := make([]transfer.Image, len(c.refs))
		for i := range images {
			images[i] = transfer.Image{ID: id, Refs: c.refs[i]}
		}
		if err := errors.Join(n.Apply(images), n.Unused()); err != nil {
			t.Errorf("%q: %v", c.as, err)
		}
		for i, m := range images {
			if !slices.Equal(m.Refs, c.want[i]) {
				t.Errorf("%q makes %q of %q", c.as, m.Refs, c.refs[i])
			}
		}
	}
}

func TestNamingApplyBad(t *testing.T) {
	two := []transfer.Image{{ID: digest.FromString("x"), Refs: []string{"a:1"}}, {ID: digest.FromString("y"), Refs: []string{"b:1"}}}
	id := two[0].ID.Encoded()
	for _, as := range [][]string{{"webapp:1"}, {"c:1=webapp:1"}, {id[:12] + "=c:1", id[:8] + "=c:2"}} {
		n, err := cli.ParseNaming(as)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(n.Apply(two), n.Unused()); err == nil {
			t.Errorf("--as %s fits two images", as)
		}
	}
}
