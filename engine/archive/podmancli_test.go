package archive_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// TestPodmanLoad has Podman's command load a file that is written here, from
// archives of both kinds.
func TestPodmanLoad(t *testing.T) {
	needPodman(t)
	one, two := testImage(3, "webapp:1.0"), testImage(2, "registry.example:5000/team/tool:2")
	one.Layers = append(one.Layers, throwaway.Layer{Size: 10, Seed: 99}, one.Layers[0])
	for name, b := range map[string][]byte{
		"docker one": dockerArchive(t, one), "oci one": oci(t, one),
		"docker two": dockerArchive(t, one, two), "oci two": oci(t, one, two),
	} {
		want := []throwaway.Image{one, two}[:strings.Count(name, "two")+1]
		t.Run(name, func(t *testing.T) {
			written, err := copied(t, b, false, archive.SinkOptions{})
			if err != nil {
				t.Fatal(err)
			}
			p := podman(t.TempDir())
			file := filepath.Join(string(p), "f.tar")
			if err := os.WriteFile(file, written, 0o600); err != nil {
				t.Fatal(err)
			}
			p.run(t, "load", "-i", file)
			for _, m := range want {
				p.inspect(t, m)
			}
		})
	}
}

// TestPodmanLoadSettings has Podman's command load an image with a health check
// from a file that is written here: only under Docker's manifest does it keep that.
func TestPodmanLoadSettings(t *testing.T) {
	needPodman(t)
	m := testImage(1, "webapp:1.0")
	m.Settings = map[string]any{"Healthcheck": map[string]any{"Test": []string{"CMD", "/healthy"}}}
	written, err := copied(t, dockerArchive(t, m), false, archive.SinkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := podman(t.TempDir())
	file := filepath.Join(string(p), "f.tar")
	if err := os.WriteFile(file, written, 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(t, "load", "-i", file)
	p.inspect(t, m)
	var got []struct{ Healthcheck struct{ Test []string } }
	if err := json.Unmarshal(p.run(t, "image", "inspect", m.Ref), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || !slices.Equal(got[0].Healthcheck.Test, []string{"CMD", "/healthy"}) {
		t.Errorf("loaded as %+v", got)
	}
}

// needPodman skips the test where Podman's command cannot run.
func needPodman(t *testing.T) {
	t.Helper()
	for _, program := range []string{"podman", "unshare"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	if out, err := podman(t.TempDir()).command(t, "true").CombinedOutput(); err != nil {
		t.Skipf("no mount namespace for podman: %v: %s", err, out)
	}
}

// A podman is a folder for all that Podman's command keeps.
type podman string

// apart hides from a command the folders of the machine that Podman writes
// to whatever its options are. The mounts vanish with the namespace.
const apart = `set -e
cd "$0"
mkdir -p etc
mount -t tmpfs tmpfs etc
mkdir etc/up etc/work
mount -t overlay -o "lowerdir=/etc,upperdir=$0/etc/up,workdir=$0/etc/work" overlay /etc
for p in /run /var/lib /var/cache; do mount -t tmpfs tmpfs $p; done
exec "$@"`

// command returns a command in a mount namespace of its own, in which it does
// not find the machine's images.
func (p podman) command(t *testing.T, argv ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "unshare", append([]string{"--mount", "sh", "-c", apart, string(p)}, argv...)...)
	// Podman keeps the archive that it loads there, else in /var/tmp.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + string(p), "TMPDIR=" + string(p)}
	return cmd
}

// run runs Podman's command and returns what it prints.
func (p podman) run(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := p.command(t, append([]string{
		"podman", "--root", string(p) + "/r", "--runroot", string(p) + "/rr", "--tmpdir", string(p) + "/t",
		"--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", "--events-backend", "none",
	}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			out = append(out, exit.Stderr...)
		}
		t.Fatalf("podman %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// inspect checks an image's name and layers.
func (p podman) inspect(t *testing.T, m throwaway.Image) {
	t.Helper()
	var got []struct {
		RepoTags []string
		RootFS   struct{ Layers []string }
	}
	if err := json.Unmarshal(p.run(t, "image", "inspect", m.Ref), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || len(got[0].RepoTags) != 1 || !strings.HasSuffix(got[0].RepoTags[0], "/"+m.Ref) && got[0].RepoTags[0] != m.Ref {
		t.Errorf("%s: images %+v", m.Ref, got)
		return
	}
	if !slices.Equal(got[0].RootFS.Layers, m.DiffIDs()) {
		t.Errorf("%s has other layers than it had", m.Ref)
	}
}
