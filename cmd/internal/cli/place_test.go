package cli_test

import (
	"bytes"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/store"
)

// place is a store that can only say where it is.
type place struct {
	store.Store
	name, where string
}

func (p place) String() string { return p.name }
func (p place) Where() string  { return p.where }

func TestSayStore(t *testing.T) {
	for _, test := range []struct{ name, where, want string }{
		{"Docker 29.0", "Docker 29.0 at unix:///docker.sock (-H)", "imgsend: into Docker 29.0 at unix:///docker.sock (-H)\n"},
		{"Docker 28.5.2, containerd store", "Docker 28.5.2, containerd store at unix:///var/run/docker.sock (usual socket)",
			"imgsend: into Docker 28.5.2, containerd store\nimgsend:   at unix:///var/run/docker.sock (usual socket)\n"},
		{"an OCI layout folder", "the OCI layout images", "imgsend: into the OCI layout images\n"},
	} {
		var out, err bytes.Buffer
		v := cli.NewVoiceTo(&out, &err, false)
		cli.SayStore(v, "into", place{name: test.name, where: test.where})
		if err.String() != test.want {
			t.Errorf("%q", err.String())
		}
	}
}
