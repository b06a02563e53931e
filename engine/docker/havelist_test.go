package docker_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
)

// TestHaveList makes an archive for an engine by the list of what it has, for
// every engine that can be asked, and loads it there and where it does not fit.
func TestHaveList(t *testing.T) {
	all := specs(t)
	for _, spec := range all {
		t.Run(spec.Name, func(t *testing.T) {
			from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
			v1, v2 := versions("have" + spec.Name)
			load(t, from, v1, v2)
			copyImages(t, from, to, v1.Ref)
			there := open(t, to)
			list, err := there.HaveList(t.Context(), "farhost")
			if err != nil {
				t.Fatal(err)
			}
			var written bytes.Buffer
			if err := list.Write(&written); err != nil {
				t.Fatal(err)
			}
			if list, err = store.ReadHaveList(&written); err != nil {
				t.Fatal(err)
			}
			delta := deltaFor(t, from, list, v2.Ref)
			if limit := v2.Layers[len(v2.Layers)-1].TarSize() + 64<<10; int64(len(delta)) > limit {
				t.Errorf("the archive has %d bytes, over %d", len(delta), limit)
			}
			arrivals, err := loadDelta(t, there, delta)
			if err != nil {
				t.Fatal(err)
			}
			check(t, to, v2, arrivals)
			leftovers(t, from, to)

			// An engine without the layers below refuses it before it loads anything.
			elsewhere := pool.Get(t, all[0], "without")
			if _, err := loadDelta(t, open(t, elsewhere), delta); transfer.KindOf(err) != transfer.KindRefused ||
				!strings.Contains(err.Error(), "delta made for farhost") {
				t.Errorf("a delta for another host: %v", err)
			}
			absent(t, elsewhere, v2.Ref)
			leftovers(t, elsewhere)
		})
	}
}

// TestDeltaElsewhere has an archive of a whole image and of what one host lacks
// of another: at any other host neither arrives, not even on Podman, which
// takes one image a round.
func TestDeltaElsewhere(t *testing.T) {
	for _, spec := range specs(t) {
		t.Run(spec.Name, func(t *testing.T) {
			from, to, elsewhere := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver"), pool.Get(t, spec, "elsewhere")
			v1, v2 := versions("elsewhere" + spec.Name)
			whole, _ := versions("whole" + spec.Name)
			load(t, from, v1, v2, whole)
			copyImages(t, from, to, v1.Ref)
			list, err := open(t, to).HaveList(t.Context(), "farhost")
			if err != nil {
				t.Fatal(err)
			}
			for _, refs := range [][]string{{whole.Ref, v2.Ref}, {v2.Ref, whole.Ref}} {
				delta := deltaFor(t, from, list, refs...)
				arrivals, err := loadDelta(t, open(t, elsewhere), delta)
				if transfer.KindOf(err) != transfer.KindRefused || !strings.Contains(err.Error(), "delta made for farhost") || len(arrivals) > 0 {
					t.Errorf("%v elsewhere: %v arrived, %v", refs, arrivals, err)
				}
				for _, ref := range refs {
					absent(t, elsewhere, ref)
				}
				leftovers(t, elsewhere)
				if arrivals, err := loadDelta(t, open(t, to), delta); err != nil || len(arrivals) != len(refs) {
					t.Errorf("%v where it belongs: %v arrived, %v", refs, arrivals, err)
				}
				leftovers(t, from, to)
			}
		})
	}
}

func deltaFor(t *testing.T, from *throwaway.Engine, list *store.HaveList, refs ...string) []byte {
	t.Helper()
	var reqs []store.Request
	for _, ref := range refs {
		reqs = append(reqs, store.Request{Image: ref})
	}
	src, err := docker.NewSource(t.Context(), open(t, from), reqs, store.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	sink := archive.NewSink(&out, archive.SinkOptions{Have: list.Have, For: list.Host})
	if _, err := transfer.Copy(t.Context(), src, sink, transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func loadDelta(t *testing.T, to *docker.Engine, delta []byte) (arrivals []transfer.Arrival, err error) {
	t.Helper()
	src, err := archive.Open(t.Context(), bytes.NewReader(delta), archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = transfer.Copy(t.Context(), src, docker.NewSink(to), transfer.Options{
		OnArrival: func(_ *transfer.Image, a transfer.Arrival, _ bool) { arrivals = append(arrivals, a) },
	})
	return arrivals, err
}

func TestReadHaveListBad(t *testing.T) {
	for what, s := range map[string]string{
		"nothing":         ``,
		"something else":  `{"a":1}`,
		"another version": `{"imgsend_have":2,"store":"classic"}`,
		"another store":   `{"imgsend_have":1,"store":"zfs"}`,
		"no digest":       `{"imgsend_have":1,"store":"classic","layers":["sha256:00"]}`,
	} {
		if list, err := store.ReadHaveList(strings.NewReader(s)); err == nil {
			t.Errorf("%s is read as %+v", what, list)
		}
	}
	if _, err := store.ReadHaveList(endless{}); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("a list without an end: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// FuzzReadHaveList reads lists: what is accepted can be written and read again.
func FuzzReadHaveList(f *testing.F) {
	seed := []byte(`{"imgsend_have":1,"host":"b","store":"podman","layers":["sha256:` + strings.Repeat("0", 64) + `"]}`)
	if list, err := store.ReadHaveList(bytes.NewReader(seed)); err != nil || len(list.Layers) != 1 {
		f.Fatalf("the seed is read as %+v, %v", list, err)
	}
	f.Add(seed)
	f.Add([]byte(`{"imgsend_have":1,"store":"containerd"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := store.ReadHaveList(bytes.NewReader(b))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := list.Write(&out); err != nil {
			return // a year beyond 9999
		}
		again, err := store.ReadHaveList(&out)
		if err != nil || len(again.Layers) != len(list.Layers) || again.Store != list.Store {
			t.Errorf("written and read again: %+v, %v", again, err)
		}
	})
}
