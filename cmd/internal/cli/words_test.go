package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
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

// TestForeignPlatforms notes images of another platform, and none that only calls its own
// by another name: Docker 20.10 has images whose OS is "Linux".
func TestForeignPlatforms(t *testing.T) {
	for _, test := range []struct {
		os, arch string
		want     string
	}{
		{"linux", "amd64", ""},
		{"Linux", "amd64", ""},
		{"linux", "x86_64", ""},
		{"", "amd64", ""},
		{"linux", "arm64", "app:1 is for linux/arm64, alpha runs linux/amd64"},
		{"windows", "amd64", "app:1 is for windows/amd64, alpha runs linux/amd64"},
	} {
		o := &transfer.Offer{Images: []transfer.Image{{Refs: []string{"app:1"}, Platform: ocispec.Platform{OS: test.os, Architecture: test.arch}}}}
		if got := strings.Join(cli.ForeignPlatforms(o, "alpha", "linux/amd64"), "\n"); got != test.want {
			t.Errorf("%s/%s: %q, not %q", test.os, test.arch, got, test.want)
		}
	}
}
