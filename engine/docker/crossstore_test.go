package docker_test

import (
	"testing"

	"github.com/imgsend/imgsend/engine/throwaway"
)

// TestCrossStore sends to containerd stores, from stores that know no compressed
// blobs, an image whose base is there as it comes from a registry: only the
// layer on top goes over.
func TestCrossStore(t *testing.T) {
	all := specs(t)
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		to := pool.Get(t, spec, "receiver")
		for _, other := range all {
			if other.Containerd {
				continue
			}
			t.Run("from "+other.Name, func(t *testing.T) {
				from := pool.Get(t, other, "sender")
				v1, v2 := versions("cross " + other.Name + spec.Name)
				load(t, from, v1, v2)
				load(t, to, v1)
				before := id(t, to, v1.Ref)
				rep, arrivals := copyImages(t, from, to, v2.Ref)
				check(t, to, v2, arrivals)
				if limit := v2.Layers[len(v2.Layers)-1].TarSize() + 16<<10; rep.Bytes > limit {
					t.Errorf("sent %d bytes, over %d", rep.Bytes, limit)
				}
				blobs := readBlobs(t, to, v2.Ref) // complete
				if len(blobs) < len(v2.Layers)+2 {
					t.Errorf("it is saved with %d blobs", len(blobs))
				}
				if again, _ := copyImages(t, from, to, v2.Ref); again.Bytes != 0 {
					t.Errorf("sent again: %d bytes", again.Bytes)
				}
				if after := id(t, to, v1.Ref); after != before {
					t.Errorf("the base was %s and is %s", before, after)
				}
				leftovers(t, from, to)
			})
		}
	})
}
