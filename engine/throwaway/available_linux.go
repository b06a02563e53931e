package throwaway

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// suites are the Debian systems that are expected in the folder of engines.
// Any other folder there with an engine in it is used too.
var suites = []string{"bookworm", "trixie", "forky"}

// containerdSince is the first Docker whose containerd image store is used
// here; older ones have it as an experiment at best.
const containerdSince = 26

// nativeSince is the first containerd that is used by itself here.
var nativeSince = [2]int{1, 7}

// Available lists the engines with a Docker API that can run here, and those that
// cannot with the reason: the machine's own dockerd and podman, and those of the
// systems unpacked in dir, if dir is not empty. A name appears once; the machine's
// own programs come first. It starts no engine.
func Available(dir string) ([]Spec, []Skipped) { return available(dir, enginesOf) }

// AvailableNative is as [Available], for containerd by itself: "native-2.1". Only
// its own clients can talk to it.
func AvailableNative(dir string) ([]Spec, []Skipped) { return available(dir, nativeOf) }

// available lists what find finds in the systems.
func available(dir string, find func(root, label string) ([]Spec, []Skipped)) ([]Spec, []Skipped) {
	if err := canIsolate(); err != nil {
		return nil, []Skipped{{"all engines", err.Error()}}
	}
	var specs []Spec
	var skipped []Skipped
	add := func(root, label string) {
		found, not := find(root, label)
		skipped = append(skipped, not...)
		for _, s := range found {
			same := func(other Spec) bool { return other.Name == s.Name }
			if slices.ContainsFunc(specs, same) {
				skipped = append(skipped, Skipped{s.Name + " of " + label, "another system has the same version"})
				continue
			}
			specs = append(specs, s)
		}
	}
	add("", "this machine")
	if dir == "" {
		return specs, append(skipped, Skipped{"other versions", "no folder of engines is named"})
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return specs, append(skipped, Skipped{"other versions", err.Error()})
	}
	names := slices.Clone(suites)
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(names, e.Name()) {
			names = append(names, e.Name())
		}
	}
	for _, name := range names {
		root := filepath.Join(dir, name)
		if _, err := os.Stat(root); err != nil {
			skipped = append(skipped, Skipped{name, "not unpacked in " + dir})
			continue
		}
		add(root, root)
	}
	return specs, skipped
}

// enginesOf lists the engines of one system.
func enginesOf(root, label string) (specs []Spec, skipped []Skipped) {
	if major, minor, err := versionOf(root, "dockerd"); errors.Is(err, exec.ErrNotFound) {
		skipped = append(skipped, Skipped{"docker of " + label, "no dockerd there"})
	} else if err != nil {
		skipped = append(skipped, Skipped{"docker of " + label, err.Error()})
	} else {
		version := fmt.Sprintf("%d.%d", major, minor)
		specs = append(specs, Spec{Name: "classic-" + version, Root: root})
		if major >= containerdSince {
			specs = append(specs, Spec{Name: "containerd-" + version, Root: root, Containerd: true})
		}
	}
	if major, minor, err := versionOf(root, "podman"); err == nil {
		specs = append(specs, Spec{Name: fmt.Sprintf("podman-%d.%d", major, minor), Kind: Podman, Root: root})
	} else if !errors.Is(err, exec.ErrNotFound) || root == "" {
		skipped = append(skipped, Skipped{"podman of " + label, err.Error()})
	}
	return specs, skipped
}

// nativeOf lists containerd of one system.
func nativeOf(root, label string) ([]Spec, []Skipped) {
	name := "containerd of " + label
	major, minor, err := versionOf(root, "containerd")
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, []Skipped{{name, "no containerd there"}}
	case err != nil:
		return nil, []Skipped{{name, err.Error()}}
	case major < nativeSince[0] || major == nativeSince[0] && minor < nativeSince[1]:
		return nil, []Skipped{{name, fmt.Sprintf("%d.%d is older than %d.%d", major, minor, nativeSince[0], nativeSince[1])}}
	}
	return []Spec{{Name: fmt.Sprintf("native-%d.%d", major, minor), Kind: Native, Root: root}}, nil
}

// versionNumber finds a version after "version", or after containerd's module path.
var versionNumber = regexp.MustCompile(`(?:version|/containerd(?:/v\d+)?) v?(\d+)\.(\d+)`)

// versionOf asks a program of a system for its version. Without that program
// the error is exec.ErrNotFound.
func versionOf(root, program string) (major, minor int, err error) {
	if !hasProgram(root, program) {
		return 0, 0, fmt.Errorf("%s: %w", program, exec.ErrNotFound)
	}
	cmd := exec.Command("/usr/bin/env", program, "--version")
	if root != "" {
		// Podman reads /proc even for this. It is mounted where nobody sees it.
		cmd = exec.Command("/bin/sh", "-c", `mount --make-rslave / && mount --rbind /proc "$0/proc" && exec chroot "$0" "$@"`,
			root, program, "--version")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}
	cmd.Env = []string{searchPath, "HOME=/nonexistent", "LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("%s --version: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	m := versionNumber.FindSubmatch(out)
	if m == nil {
		return 0, 0, fmt.Errorf("%s --version says %q", program, out)
	}
	major, _ = strconv.Atoi(string(m[1]))
	minor, _ = strconv.Atoi(string(m[2]))
	return major, minor, nil
}

func hasProgram(root, program string) bool {
	_, list, _ := strings.Cut(searchPath, "=")
	for _, d := range filepath.SplitList(list) {
		// Lstat: a link that is right inside the system may dangle outside.
		if info, err := os.Lstat(filepath.Join(root, "/", d, program)); err == nil && !info.IsDir() {
			return true
		}
	}
	return false
}

// canIsolate says whether this process may make what an engine needs:
// namespaces, and overlay mounts in them.
func canIsolate() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("not root: %w", ErrUnsupported)
	}
	dir, err := newFolder()
	if err != nil {
		return err
	}
	defer func() { _ = dir.remove() }()
	log, err := dir.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", "-c", enter, "enter", dir.path, "", "true")
	cmd.Env = []string{searchPath}
	cmd.Stdout, cmd.Stderr = log, log
	p, err := startProcess(cmd, nil, "")
	if err != nil {
		return fmt.Errorf("cannot make namespaces: %w", err)
	}
	<-p.done
	if p.err != nil {
		return fmt.Errorf("cannot mount in a new namespace: %w: %s", p.err, strings.TrimSpace(dir.logTail()))
	}
	return nil
}
