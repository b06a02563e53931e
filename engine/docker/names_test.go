package docker_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

func id(t *testing.T, e *throwaway.Engine, ref string) digest.Digest {
	t.Helper()
	return digest.Digest(inspect(t, e, ref).ID)
}

// TestNames checks what names arrive for what was asked for.
func TestNames(t *testing.T) {
	all := specs(t)
	for _, spec := range all {
		t.Run(spec.Name, func(t *testing.T) {
			from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
			v1, v2 := versions("names " + spec.Name)
			repo := strings.TrimSuffix(v1.Ref, ":1.0")
			latest := v2
			latest.Ref = repo
			load(t, from, v1, v2, latest)

			// latest is implied; twice the same, and two names of one image.
			rep, arrivals, err := tryCopy(t, from, to, store.Request{Image: v1.Ref}, store.Request{Image: repo},
				store.Request{Image: v1.Ref}, store.Request{Image: v2.Ref})
			if err != nil {
				t.Fatal(err)
			}
			if rep.Images != 2 {
				t.Errorf("%d images arrived, not 2", rep.Images)
			}
			var names []string
			for _, a := range arrivals {
				for _, n := range a.Names {
					names = append(names, n.Ref)
				}
			}
			if want := []string{v1.Ref, repo + ":latest", v2.Ref}; !slices.Equal(names, want) {
				t.Errorf("arrived as %q, not %q", names, want)
			}
			if id(t, to, repo+":latest") != id(t, to, v2.Ref) {
				t.Error("latest is another image than 2.0")
			}

			// By ID: no name, or that of --as. The name moves, and that is said.
			v2ID := id(t, from, v2.Ref)
			_, arrivals, err = tryCopy(t, from, to, store.Request{Image: v2ID.String()})
			if err != nil || len(arrivals) != 1 || len(arrivals[0].Names) != 0 {
				t.Errorf("by ID: %v, %v", arrivals, err)
			}
			old := id(t, to, v1.Ref)
			_, arrivals, err = tryCopy(t, from, to, store.Request{Image: v2ID.Encoded()[:12], As: v1.Ref})
			if err != nil || len(arrivals) != 1 || len(arrivals[0].Names) != 1 {
				t.Fatalf("by short ID: %v, %v", arrivals, err)
			}
			if n := arrivals[0].Names[0]; n.Ref != v1.Ref || n.Replaced != old {
				t.Errorf("named %v, replacing %s", n, old)
			}
			if id(t, to, v1.Ref) != id(t, to, v2.Ref) {
				t.Error("the name did not move")
			}
			remove(t, to, old.String()) // has no name any more
		})
	}
}

// TestUntagged sends an image that has no name on either side.
func TestUntagged(t *testing.T) {
	all := specs(t)
	for _, spec := range all {
		t.Run(spec.Name, func(t *testing.T) {
			from, to := start(t, spec), start(t, all[0])
			defer from.Stop()
			defer to.Stop()
			m, _ := versions("untagged " + spec.Name)
			m.Ref = ""
			load(t, from, m)
			imageID := onlyImage(t, from)
			_, arrivals, err := tryCopy(t, from, to, store.Request{Image: imageID})
			if err != nil || len(arrivals) != 1 || len(arrivals[0].Names) != 0 {
				t.Fatalf("%v, %v", arrivals, err)
			}
			if got := onlyImage(t, to); got != arrivals[0].New.String() {
				t.Errorf("the receiver has %s, reported %s", got, arrivals[0].New)
			}
			if still := onlyImage(t, from); still != imageID {
				t.Errorf("the sender has %s now, not %s", still, imageID)
			}
		})
	}
}

func onlyImage(t *testing.T, e *throwaway.Engine) string {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := c.ImageList(t.Context(), allImages)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 {
		t.Fatalf("%d images, not one", len(list))
	}
	return list[0].ID
}

// TestShared sends images at once that share their base, from every engine to
// itself and to one other. It leaves out the other pairs.
func TestShared(t *testing.T) {
	all := specs(t)
	for i, from := range all {
		for _, to := range []throwaway.Spec{from, all[(i+1)%len(all)]} {
			t.Run(from.Name+" to "+to.Name, func(t *testing.T) {
				a, b := pool.Get(t, from, "sender"), pool.Get(t, to, "receiver")
				v1, v2 := versions("shared " + from.Name + to.Name + t.Name())
				v3 := v1 // another top layer on the same parent as v1's
				v3.Ref = strings.TrimSuffix(v1.Ref, "1.0") + "3.0"
				v3.Layers = slices.Clone(v1.Layers)
				v3.Layers[2].Seed += 77
				load(t, a, v1, v2, v3)
				rep, arrivals, err := tryCopy(t, a, b, store.Request{Image: v1.Ref}, store.Request{Image: v2.Ref}, store.Request{Image: v3.Ref})
				if err != nil {
					t.Fatal(err)
				}
				if rep.Bytes > v2.Size()+2*v3.Layers[2].Size+128<<10 {
					t.Errorf("sent %d bytes of %d different ones", rep.Bytes, v2.Size())
				}
				for i, m := range []throwaway.Image{v1, v2, v3} {
					check(t, b, m, arrivals[i:i+1])
				}
				leftovers(t, a, b)
			})
		}
	}
}

func TestUnknownImage(t *testing.T) {
	for _, spec := range specs(t) {
		t.Run(spec.Name, func(t *testing.T) {
			from := pool.Get(t, spec, "sender")
			m, _ := versions("unknown " + spec.Name)
			load(t, from, m)
			repo := strings.TrimSuffix(m.Ref, ":1.0")
			for _, name := range []string{repo + ":1.O", repo[:len(repo)-1] + "z:1.0", "library/" + repo + ":2"} {
				_, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: name}}, store.SourceOptions{})
				wantError(t, err, transfer.KindEngine, "no image "+name)
				if h := hint(err); !strings.Contains(h, m.Ref) {
					t.Errorf("%s: hint %q", name, h)
				}
			}
			_, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: "UPPER case"}}, store.SourceOptions{})
			wantError(t, err, transfer.KindUsage, "not an image name")
		})
	}
}

// TestForeignPlatform sends an image that the engines' hosts cannot run, between
// engines of every kind.
func TestForeignPlatform(t *testing.T) {
	fewPairs(t, func(t *testing.T, from, to throwaway.Spec) {
		a, b := pool.Get(t, from, "sender"), pool.Get(t, to, "receiver")
		m, _ := versions("foreign " + from.Name + to.Name)
		m.Arch = "s390x"
		load(t, a, m)
		_, arrivals := copyImages(t, a, b, m.Ref)
		check(t, b, m, arrivals)
		leftovers(t, a, b)
	})
}

// TestOddHosts plans for names with hosts that only newer engines know: the others refuse
// them before anything is sent. All take other names.
func TestOddHosts(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		e := open(t, pool.Get(t, spec, "receiver"))
		for _, ref := range []string{"Team/app:1", "[2001:db8::1]:5000/team/app:1", "Registry.example/app:1", "team/app:1"} {
			d := digest.FromString("odd hosts")
			s := docker.NewSink(e)
			_, err := s.Plan(t.Context(), &transfer.Offer{DryRun: true, Images: []transfer.Image{{ID: d, Config: d, Refs: []string{ref}}}})
			s.Close(nil)
			odd := ref[0] == 'T' || ref[0] == '['
			if err != nil && (!odd || transfer.KindOf(err) != transfer.KindRefused) {
				t.Errorf("%s: %v", ref, err)
			}
			if older := spec.Kind == throwaway.Podman || strings.HasSuffix(spec.Name, "20.10"); odd && older && err == nil {
				t.Errorf("%s is taken", ref)
			}
		}
	})
}
