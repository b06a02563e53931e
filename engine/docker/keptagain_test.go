package docker

import (
	"errors"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestKeptByEarlierRound has a base image vanish while an image over it and another one
// are on their way. What has been loaded of them until then is kept, and said to be,
// when the round that repeats it all fails, too.
func TestKeptByEarlierRound(t *testing.T) {
	layer := func(seed uint64) []byte { return transfertest.Random(seed, 1000) }
	base := realImage("base:1", layer(1))
	app, other := realImage("app:1", layer(1), layer(2), layer(3), layer(4)), realImage("other:1", layer(1), layer(2), layer(5), layer(6))
	for _, m := range []*transfertest.Image{app, other} {
		for i := range m.Layers {
			m.Layers[i].Size = 40 << 20 // which is an estimate
		}
	}
	s := &slowLoads{listed: []string{base.ID.String()}, here: map[string]image.InspectResponse{base.ID.String(): inspected(base.ID, base.DiffIDs())}}
	s.fail = func(config ocispec.Image) error {
		n := len(config.RootFS.DiffIDs)
		if _, prefix := config.Config.Labels[prefixLabel]; prefix && n < 4 {
			return nil
		}
		s.listed = nil
		return errors.New("layer does not exist")
	}
	retried := false
	_, err := transfertest.Copy(t, transfertest.NewSource(app, other), s.sink(t, Classic), transfer.Options{OnRetry: func(string) { retried = true }})
	var kept *transfer.KeptError
	if !retried || !errors.As(err, &kept) {
		t.Fatalf("retried: %v, %v", retried, err)
	}
	if want := (transfer.Kept{Layers: 3, Of: 5, Bytes: 120 << 20}); kept.Kept != want {
		t.Errorf("%s, not %s", kept.Kept, want)
	}
}
