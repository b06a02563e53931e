package containerd_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/imgsend/imgsend/engine/containerd"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// TestFind looks for images by all that can name one.
func TestFind(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		e := pool.Get(t, spec, "sender")
		v1, v2 := versions("find " + spec.Name)
		if err := throwaway.LoadPulled(t.Context(), e, v1, v2); err != nil {
			t.Fatal(err)
		}
		s := open(t, e, "")
		root := rootOf(t, s, v1.Ref)
		hex := strings.TrimPrefix(v1.ID(), "sha256:")
		repo, _, _ := strings.Cut(v1.Ref, ":")
		for query, name := range map[string]string{
			v1.Ref:                           v1.Ref,
			"docker.io/library/" + v1.Ref:    v1.Ref,
			v1.ID():                          "",
			hex[:12]:                         "",
			root.String():                    "",
			root.Encoded()[:8]:               "",
			repo + "@" + root.String():       "",
			"somebody/else@" + root.String(): "none",
			repo + "@" + digest.FromString("x").String(): "none",
			repo + ":3.0": "none",
		} {
			src, err := s.Source(t.Context(), requests(query), store.SourceOptions{})
			if name == "none" {
				if transfer.KindOf(err) != transfer.KindEngine {
					t.Errorf("%s: %v", query, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", query, err)
				continue
			}
			o, err := src.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if m := o.Images[0]; m.Config.String() != v1.ID() || strings.Join(m.Refs, " ") != name {
				t.Errorf("%s is %s as %v, not %s as %q", query, m.Config, m.Refs, v1.ID(), name)
			}
		}
		if _, err := s.Source(t.Context(), requests(repo+":3.0"), store.SourceOptions{}); !strings.Contains(hint(err), v1.Ref) || !strings.Contains(hint(err), v2.Ref) {
			t.Errorf("near misses: %q", hint(err))
		}
		_, err := s.Source(t.Context(), requests("!"), store.SourceOptions{})
		if transfer.KindOf(err) != transfer.KindUsage {
			t.Errorf("%v", err)
		}
	})
}

// rootOf returns the manifest or index of an image.
func rootOf(t *testing.T, s *containerd.Store, ref string) digest.Digest {
	t.Helper()
	o, err := source(t, s, ref).Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o.Images[0].Root
}

// TestNames gives several names to several images, moves one, and keeps one.
func TestNames(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		ns := "names"
		v1, v2 := versions("names " + spec.Name)
		if err := throwaway.LoadPulled(t.Context(), from, v1, v2); err != nil {
			t.Fatal(err)
		}
		s, d := open(t, from, ""), open(t, to, ns)
		src, err := s.Source(t.Context(), []store.Request{{Image: v1.Ref}, {Image: v1.Ref, As: "shop:old"}, {Image: v2.Ref, As: "shop"}}, store.SourceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, arrivals := copied(t, src, sink(t, d)); len(arrivals) != 2 || len(arrivals[0].Names) != 2 || len(arrivals[1].Names) != 1 {
			t.Errorf("arrived: %v", arrivals)
		}
		want := []string{"docker.io/library/" + v1.Ref, "docker.io/library/shop:latest", "docker.io/library/shop:old"}
		slices.Sort(want)
		if got := names(t, to, ns); !slices.Equal(got, want) {
			t.Errorf("names %v, not %v", got, want)
		}
		one, two := rootOf(t, d, "shop:old"), rootOf(t, d, "shop")

		move := func(noClobber bool) (transfer.Arrival, error) {
			src, err := s.Source(t.Context(), []store.Request{{Image: v2.Ref, As: "shop:old"}}, store.SourceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			dst, err := d.Sink(t.Context(), store.SinkOptions{NoClobber: noClobber})
			if err != nil {
				t.Fatal(err)
			}
			var a transfer.Arrival
			_, err = transfer.Copy(t.Context(), src, dst, transfer.Options{OnArrival: func(_ *transfer.Image, got transfer.Arrival, _ bool) { a = got }})
			return a, err
		}
		if _, err := move(true); transfer.KindOf(err) != transfer.KindRefused || !strings.Contains(err.Error(), one.Encoded()[:12]) {
			t.Errorf("no-clobber: %v", err)
		}
		if got := rootOf(t, d, "shop:old"); got != one {
			t.Errorf("shop:old is %s", got)
		}
		a, err := move(false)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Names) != 1 || a.Names[0].Replaced != one || a.New != two {
			t.Errorf("moved: %v", a)
		}
		if _, err := move(true); err != nil {
			t.Errorf("no-clobber with the same image: %v", err)
		}
		collect(t, to, ns)
	})
}

// TestUnnamed sends an image without a name. It stays, under its ID.
func TestUnnamed(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		ns := "unnamed"
		v1, _ := versions("unnamed " + spec.Name)
		if err := throwaway.LoadPulled(t.Context(), from, v1); err != nil {
			t.Fatal(err)
		}
		_, arrivals := copied(t, source(t, open(t, from, ""), v1.ID()), sink(t, open(t, to, ns)))
		if len(arrivals) != 1 || len(arrivals[0].Names) > 0 {
			t.Errorf("arrived: %v", arrivals)
		}
		garbage(t, to, ns)
		if got := names(t, to, ns); !slices.Equal(got, []string{v1.ID()}) {
			t.Errorf("names %v", got)
		}
		o, err := source(t, open(t, to, ns), v1.ID()).Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m := o.Images[0]; len(m.Refs) > 0 || m.Config.String() != v1.ID() {
			t.Errorf("it is %v, %s", m.Refs, m.Config)
		}
	})
}

// TestKubernetes looks whether images in Kubernetes' namespace are as CRI makes
// them.
func TestKubernetes(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		v1, v2 := versions("kubernetes " + spec.Name)
		if err := throwaway.LoadPulled(t.Context(), from, v1, v2); err != nil {
			t.Fatal(err)
		}
		s := open(t, from, "")
		copied(t, source(t, s, v1.Ref), sink(t, open(t, to, "k8s.io")))
		check(t, to, "k8s.io", v1)
		managed := func(name string) bool {
			out := throwawaytest.Ctr(t, to, "-n", "k8s.io", "images", "list", "name=="+name)
			return strings.Contains(out, "io.cri-containerd.image=managed")
		}
		for _, name := range []string{"docker.io/library/" + v1.Ref, v1.ID()} {
			if !managed(name) {
				t.Errorf("%s is not there, or not managed", name)
			}
		}
		// A record without the label gets it, also where nothing else is new.
		name := "docker.io/library/" + v1.Ref
		throwawaytest.Ctr(t, to, "-n", "k8s.io", "images", "label", name, "io.cri-containerd.image=")
		if managed(name) {
			t.Fatal("the label is still there")
		}
		copied(t, source(t, s, v1.Ref), sink(t, open(t, to, "k8s.io")))
		if !managed(name) {
			t.Errorf("%s is not managed", name)
		}
		copied(t, source(t, s, v2.Ref), sink(t, open(t, to, "k8s.io")))
		check(t, to, "k8s.io", v2)
		if !managed(v2.ID()) || !managed(v1.ID()) {
			t.Error("an ID is missing")
		}
	})
}

// A failing store writes so many records, and no more; it deletes none if stuck.
// After a name has moved it collects what nothing refers to.
type failing struct {
	images.Store
	writes  int
	stuck   bool
	collect func(context.Context) error
}

var errRecord = errors.New("no more records")

func (f *failing) Create(ctx context.Context, m images.Image) (images.Image, error) {
	if f.writes--; f.writes < 0 {
		return images.Image{}, errRecord
	}
	return f.Store.Create(ctx, m)
}

func (f *failing) Update(ctx context.Context, m images.Image, fields ...string) (images.Image, error) {
	if f.writes--; f.writes < 0 && !slices.Contains(fields, "labels") { // which take a name back
		return images.Image{}, errRecord
	}
	now, err := f.Store.Update(ctx, m, fields...)
	if err == nil {
		err = f.collect(ctx)
	}
	return now, err
}

func (f *failing) Delete(ctx context.Context, name string, o ...images.DeleteOpt) error {
	if f.stuck {
		return errRecord
	}
	return f.Store.Delete(ctx, name, o...)
}

// TestAllOrNone fails to give the last of three names: none of them is given, the one
// that moved goes back, and those that cannot be taken back are reported.
func TestAllOrNone(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		const ns = "all-or-none"
		v1, v2 := versions("none " + spec.Name)
		if err := throwaway.LoadPulled(t.Context(), from, v1, v2); err != nil {
			t.Fatal(err)
		}
		s, d := open(t, from, ""), open(t, to, ns)
		copied(t, source(t, s, v1.Ref), sink(t, d))
		was := rootOf(t, d, v1.Ref)
		for _, stuck := range []bool{false, true} {
			d := open(t, to, ns)
			d.SetImages(func(s images.Store) images.Store {
				return &failing{Store: s, writes: 2, stuck: stuck, collect: d.CollectGarbage}
			})
			src, err := s.Source(t.Context(), []store.Request{{Image: v2.Ref, As: v1.Ref}, {Image: v2.Ref}, {Image: v2.Ref, As: "third:1"}}, store.SourceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var left []transfer.Name
			_, err = transfer.Copy(t.Context(), src, sink(t, d), transfer.Options{OnArrival: func(_ *transfer.Image, a transfer.Arrival, _ bool) { left = append(left, a.Names...) }})
			if transfer.KindOf(err) != transfer.KindEngine || !errors.Is(err, errRecord) {
				t.Errorf("%v", err)
			}
			if got := rootOf(t, d, v1.Ref); got != was {
				t.Errorf("%s is %s, not %s", v1.Ref, got, was)
			}
			want := []string{"docker.io/library/" + v1.Ref}
			if stuck {
				want = append(want, "docker.io/library/"+v2.Ref)
			}
			if got := names(t, to, ns); !slices.Equal(got, want) {
				t.Errorf("stuck %v: names %v, not %v", stuck, got, want)
			}
			if stuck != (len(left) == 1 && left[0].Ref == v2.Ref) || stuck != strings.Contains(err.Error(), "remain: docker.io/library/"+v2.Ref) {
				t.Errorf("stuck %v: reported %v, %v", stuck, left, err)
			}
		}
	})
}
