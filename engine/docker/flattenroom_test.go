package docker_test

import (
	"os"
	"testing"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
)

// TestFlattenNoRoom flattens a container that the disk for temporary files has
// no room for. It runs on.
func TestFlattenNoRoom(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		b := newBox(t, pool.Get(t, spec, "sender"), nil)
		b.fill(20 << 20)
		b.enter("running")
		disk := throwawaytest.Disk(t, 8<<20)
		t.Setenv("TMPDIR", disk)
		free := throwawaytest.Free(t, disk)
		_, err := b.find().Flatten(t.Context(), docker.FlattenOptions{})
		wantError(t, err, transfer.KindOther, "no space left on device")
		if hint(err) == "" {
			t.Error("no hint")
		}
		b.want("running")
		if left, err := os.ReadDir(disk); err != nil || len(left) > 0 || throwawaytest.Free(t, disk) != free {
			t.Errorf("left %v, %v, and %d of %d bytes free", left, err, throwawaytest.Free(t, disk), free)
		}
	})
}
