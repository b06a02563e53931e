package throwaway

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// enter prepares the new namespaces and becomes the engine.
//
//go:embed enter.sh
var enter string

const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// command returns the command that starts an engine, its output going to the
// folder's log; the caller closes that when the command runs.
func command(spec Spec, dir *folder) (*exec.Cmd, error) {
	root := ""
	if spec.Root != "" {
		var err error
		if root, err = filepath.Abs(spec.Root); err != nil {
			return nil, err
		}
		if info, err := os.Stat(root); err != nil {
			return nil, err
		} else if !info.IsDir() {
			return nil, fmt.Errorf("%s is not a folder", root)
		}
	}
	var argv []string
	switch spec.Kind {
	case Docker:
		if err := writeDaemonConfig(spec, dir); err != nil {
			return nil, err
		}
		argv = dockerArgs(spec, dir)
	case Podman:
		if spec.Containerd {
			return nil, errors.New("podman has no containerd image store")
		}
		argv = podmanArgs(spec, dir)
	case Native:
		if spec.Containerd {
			return nil, errors.New("containerd by itself is not Docker with its containerd image store")
		}
		if err := writeNativeConfig(dir); err != nil {
			return nil, err
		}
		argv = append([]string{"containerd", "--config", dir.nativeConfig()}, spec.Args...)
	default:
		return nil, fmt.Errorf("unknown kind of engine %d", spec.Kind)
	}
	// Podman does not start beside the socket of its predecessor.
	if err := os.Remove(dir.socket()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	log, err := dir.openLog()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", enter, "enter", dir.path, root}, argv...)...)
	// Nothing of the caller's environment: a DOCKER_HOST or a proxy in it must
	// not change what a test finds.
	cmd.Env = append([]string{searchPath, "HOME=/root", "LC_ALL=C"}, spec.Env...)
	if spec.Kind == Podman {
		// Podman keeps the archive that it loads there, else in /var/tmp.
		cmd.Env = append(cmd.Env, "TMPDIR="+dir.data())
	}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	return cmd, nil
}

// dockerArgs is dockerd with no network of its own and all its files in dir or
// in the namespace's /run. The storage driver is named, so that an engine
// which cannot use it fails instead of falling back to a slow one.
func dockerArgs(spec Spec, dir *folder) []string {
	driver := "overlay2"
	if spec.Containerd {
		driver = "overlayfs"
	}
	return append([]string{
		"dockerd",
		"--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
		"--config-file", dir.daemonConfig(),
		"--data-root", dir.data(),
		"--exec-root", "/run/x", "-p", "/run/x.pid",
		"--storage-driver", driver,
		"--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", "/" + dir.name(),
		"-H", "unix://" + dir.socket(), "--group", "root",
	}, spec.Args...)
}

// writeDaemonConfig names the image store either way: which one is the default
// depends on the version.
func writeDaemonConfig(spec Spec, dir *folder) error {
	b, err := json.Marshal(map[string]any{"features": map[string]bool{"containerd-snapshotter": spec.Containerd}})
	if err != nil {
		return err
	}
	return os.WriteFile(dir.daemonConfig(), b, 0o600)
}

// writeNativeConfig has containerd keep everything in dir or in the namespace's
// /run, and leaves out its CRI plugin, by its names in 1.7 and 2.x: that is for
// Kubernetes and wants a network. 2.x reads version 2 too.
func writeNativeConfig(dir *folder) error {
	config := fmt.Sprintf(`version = 2
root = %q
state = "/run/c"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
[grpc]
address = %q
[ttrpc]
address = "/run/c/ttrpc.sock"
[plugins."io.containerd.internal.v1.opt"]
path = %q
`, filepath.Join(dir.data(), "c"), dir.socket(), filepath.Join(dir.data(), "opt"))
	return os.WriteFile(dir.nativeConfig(), []byte(config), 0o600)
}

func podmanArgs(spec Spec, dir *folder) []string {
	args := append([]string{
		"podman",
		"--root", dir.podmanRoot(), "--runroot", "/run/rr",
		"--storage-driver", "overlay", "--cgroup-manager", "cgroupfs",
	}, spec.Args...)
	return append(args, "system", "service", "-t", "0", "unix://"+dir.socket())
}

// lastBytes returns the end of s, from the start of a line.
func lastBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[len(s)-n:]
	if _, rest, ok := strings.Cut(s, "\n"); ok {
		return rest
	}
	return s
}
