package store_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
)

func TestExpand(t *testing.T) {
	names := []string{"shop/web:1.0", "shop/db:7", "nginx:1.22", "nginx:latest", "localhost:5000/shop/web:1.0"}
	for _, test := range []struct{ args, want, listed []string }{
		{[]string{"shop/*"}, []string{"shop/web:1.0", "shop/db:7"}, []string{"shop/web:1.0", "shop/db:7"}},
		{[]string{"*"}, []string{"nginx:1.22", "nginx:latest"}, []string{"nginx:1.22", "nginx:latest"}},
		{[]string{"*/*/web:1.*"}, []string{"localhost:5000/shop/web:1.0"}, []string{"localhost:5000/shop/web:1.0"}},
		{[]string{"nginx", "0bc42f7ff218", "ngin*"}, []string{"nginx", "0bc42f7ff218", "nginx:1.22"}, []string{"nginx:1.22"}},
		{[]string{"ngin*", "nginx", "docker.io/library/nginx:1.22"}, []string{"nginx:1.22", "nginx:latest"}, []string{"nginx:1.22", "nginx:latest"}},
	} {
		var search store.Search
		var got, listed []string
		for _, r := range search.Expand(test.args, "Docker", names) {
			got = append(got, r.Image)
			if r.Listed {
				listed = append(listed, r.Image)
			}
		}
		if err := search.Err(); err != nil || !slices.Equal(got, test.want) || !slices.Equal(listed, test.listed) {
			t.Errorf("%q: %q, listed %q, %v", test.args, got, listed, err)
		}
	}
}

// TestExpandNothing has patterns that match nothing: all are said, and one with a hint.
func TestExpandNothing(t *testing.T) {
	names := []string{"shop/web:1.0", "shop/web:1.1", "shop/db:7", "nginx:1.22"}
	for _, test := range []struct {
		args       []string
		text, hint string
	}{
		{[]string{"sop/w*", "nginx"}, "no image in Docker matches sop/w*", "did you mean shop/web:1.0 or shop/web:1.1?"},
		{[]string{"shop/wev*"}, "no image in Docker matches shop/wev*", "did you mean shop/web:1.0 or shop/web:1.1?"},
		{[]string{"team/api/*"}, "no image in Docker matches team/api/*", "a * stands for anything but a slash"},
		{[]string{"a*", "shop/*", "b*"}, "no images a* and b* in Docker", ""},
	} {
		var search store.Search
		search.Expand(test.args, "Docker", names)
		var te *transfer.Error
		if !errors.As(search.Err(), &te) || te.Kind != transfer.KindEngine || te.Error() != test.text || te.Hint != test.hint {
			t.Errorf("%q: %v", test.args, search.Err())
		}
	}
}
