package cli_test

import (
	"slices"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// TestPlanLinesWhole says of images that are there whether they get a name.
func TestPlanLinesWhole(t *testing.T) {
	id := digest.FromString("image")
	o := &transfer.Offer{Images: []transfer.Image{{ID: id, Refs: []string{"webapp:1.0"}}, {ID: id}}}
	p := &transfer.Plan{Images: []transfer.ImagePlan{{Status: transfer.Whole}, {Status: transfer.Whole}}}
	want := []string{"webapp:1.0: already there, only to be named", cli.Title(&o.Images[1]) + ": already there"}
	if got := cli.PlanLines(o, p, "there", "send"); !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}
