package throwaway_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
)

var (
	base = throwaway.Layer{Size: 3 << 20, Seed: 1, Kind: throwaway.Text, Files: 40}
	app  = throwaway.Image{Ref: "app:1", Layers: []throwaway.Layer{base, {Size: 1 << 20, Seed: 2}},
		Env: []string{"A=b"}, Cmd: []string{"/app"}, Labels: map[string]string{"k": "v"}}
	next = throwaway.Image{Ref: "app:2", Layers: append(slices.Clone(app.Layers), throwaway.Layer{Size: 100, Seed: 3})}
)

// each runs f for each engine that can run here.
func each(t *testing.T, f func(*testing.T, throwaway.Spec)) {
	for _, spec := range throwawaytest.Specs(t) {
		t.Run(spec.Name, func(t *testing.T) { f(t, spec) })
	}
}

func TestLoad(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		began := time.Now()
		e := throwawaytest.Start(t, spec)
		t.Logf("started in %v", time.Since(began).Round(time.Millisecond))
		ctx := t.Context()

		c, err := e.Client()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		info, err := c.Info(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("version %s, driver %s %v, root %s", info.ServerVersion, info.Driver, info.DriverStatus, info.DockerRootDir)
		driver := map[bool]string{false: "overlay2", true: "overlayfs"}[spec.Containerd]
		if spec.Kind == throwaway.Podman {
			driver = "overlay"
		}
		if info.Driver != driver {
			t.Errorf("driver is %q, not %q", info.Driver, driver)
		}
		inStore := slices.ContainsFunc(info.DriverStatus, func(p [2]string) bool { return p[1] == "io.containerd.snapshotter.v1" })
		if inStore != spec.Containerd {
			t.Errorf("containerd store is %v, not %v", inStore, spec.Containerd)
		}
		if info.Images != 0 || info.Containers != 0 {
			t.Errorf("a new engine has %d images and %d containers", info.Images, info.Containers)
		}

		if err := throwaway.Load(ctx, e, app, next); err != nil {
			t.Fatal(err)
		}
		for _, img := range []throwaway.Image{app, next} {
			checkImage(t, e, img)
		}
		pulled := throwaway.Image{Ref: "pulled", Layers: []throwaway.Layer{base, {Size: 5000, Seed: 4}}}
		if err := throwaway.LoadPulled(ctx, e, pulled); err != nil {
			t.Fatal(err)
		}
		id := checkImage(t, e, pulled)
		if spec.Containerd {
			want, err := pulled.OCIManifestDigest()
			if err != nil {
				t.Fatal(err)
			}
			if id != want {
				t.Errorf("ID is %s, not the manifest's %s", id, want)
			}
		}
	})
}

// checkImage compares an image in an engine with what was promised and returns
// its ID there.
func checkImage(t *testing.T, e *throwaway.Engine, img throwaway.Image) string {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.ImageInspect(t.Context(), img.Ref)
	if err != nil {
		t.Fatal(err)
	}
	if want := img.DiffIDs(); !slices.Equal(got.RootFS.Layers, want) {
		t.Errorf("%s has layers\n%v, not\n%v", img.Ref, got.RootFS.Layers, want)
	}
	if !e.Spec().Containerd && "sha256:"+strings.TrimPrefix(got.ID, "sha256:") != img.ID() {
		t.Errorf("%s has ID %s, not %s", img.Ref, got.ID, img.ID())
	}
	if !slices.Equal(got.Config.Env, img.Env) && len(img.Env) > 0 || !slices.Equal(got.Config.Cmd, img.Cmd) && len(img.Cmd) > 0 {
		t.Errorf("%s has env %q, command %q", img.Ref, got.Config.Env, got.Config.Cmd)
	}
	return got.ID
}

func TestStopLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		e := throwawaytest.Start(t, spec)
		if err := throwaway.Load(t.Context(), e, app); err != nil {
			t.Fatal(err)
		}
		dir := folderOf(e)
		if len(processesOf(t, dir)) == 0 {
			t.Fatal("cannot find the engine's processes") // and so could not miss them below
		}
		pid := e.PID()
		if err := e.Kill(); err != nil {
			t.Fatal(err)
		}
		if syscall.Kill(pid, 0) != syscall.ESRCH || e.PID() != 0 {
			t.Error("the engine is alive after Kill")
		}
		if ps := processesOf(t, dir); len(ps) > 0 {
			t.Errorf("processes after Kill: %v", ps)
		}
		if err := e.Stop(); err != nil {
			t.Fatal(err)
		}
		checkGone(t, dir)
		if err := e.Stop(); err != nil {
			t.Errorf("second Stop: %v", err)
		}
		if err := e.Restart(t.Context()); err == nil {
			t.Error("Restart after Stop succeeds")
		}
		if e.Log() == "" {
			t.Error("no log after Stop")
		}
	})
}

func TestRestartKeepsImages(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		e := throwawaytest.Start(t, spec)
		if err := throwaway.Load(t.Context(), e, app); err != nil {
			t.Fatal(err)
		}
		host, id := e.Host(), engineID(t, e)
		if err := e.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkImage(t, e, app)
		if err := e.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := e.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkImage(t, e, app)
		if e.Host() != host || engineID(t, e) != id {
			t.Error("another host or engine ID after Restart")
		}
	})
}

// TestData starts an engine of each kind with its data on disk and in memory.
func TestData(t *testing.T) {
	tested := map[throwaway.Kind]bool{}
	for _, spec := range throwawaytest.Specs(t) {
		if tested[spec.Kind] {
			continue
		}
		tested[spec.Kind] = true
		for name, data := range map[string]throwaway.Data{"on disk": throwaway.OnDisk, "in memory": throwaway.InMemory} {
			t.Run(spec.Name+" "+name, func(t *testing.T) {
				spec := spec
				spec.Data = data
				e := throwawaytest.Start(t, spec)
				if err := throwaway.Load(t.Context(), e, app); err != nil {
					t.Fatal(err)
				}
				if err := e.Kill(); err != nil {
					t.Fatal(err)
				}
				if err := e.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
				checkImage(t, e, app)
				var disk, engines syscall.Statfs_t
				if err := syscall.Statfs(folderOf(e), &disk); err != nil {
					t.Fatal(err)
				}
				if err := syscall.Statfs(fmt.Sprintf("/proc/%d/root%s", e.PID(), e.DataRoot()), &engines); err != nil {
					t.Fatal(err)
				}
				if own := disk.Fsid != engines.Fsid; own != (data == throwaway.InMemory) {
					t.Errorf("the data is on a disk of its own: %v", own)
				}
				if size := int64(engines.Blocks) * engines.Bsize; data == throwaway.InMemory && size != e.Spec().DiskLimit {
					t.Errorf("its disk has %d bytes, not %d", size, e.Spec().DiskLimit)
				}
			})
		}
	}
}

func TestDataLimitOnDisk(t *testing.T) {
	spec := throwawaytest.Specs(t)[0]
	spec.Data, spec.DiskLimit = throwaway.OnDisk, 1<<30
	if e, err := throwaway.Start(t.Context(), spec); err == nil {
		e.Stop()
		t.Error("an engine with data on disk has a limit")
	}
}

// TestContainersEndWithTheEngine runs a container, pauses it, and ends the engine.
func TestContainersEndWithTheEngine(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		e := throwawaytest.Start(t, spec)
		c, err := e.Client()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		importSleeper(t, c)
		made, err := c.ContainerCreate(t.Context(), &container.Config{Image: "sleeper:latest", Cmd: []string{"/sleep"}},
			&container.HostConfig{NetworkMode: "none"}, nil, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
			t.Fatal(err)
		}
		info, err := c.ContainerInspect(t.Context(), made.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !info.State.Running {
			t.Fatalf("the container does not run: %+v", info.State)
		}
		if err := c.ContainerPause(t.Context(), made.ID); err != nil {
			t.Fatal(err)
		}
		dir := folderOf(e)
		if err := e.Stop(); err != nil {
			t.Fatal(err)
		}
		checkGone(t, dir)
		for _, p := range []string{"", "*/", "*/*/", "*/*/*/"} {
			if left, _ := filepath.Glob("/sys/fs/cgroup/" + p + "*" + made.ID + "*"); len(left) > 0 {
				t.Errorf("cgroups left: %v", left)
			}
		}
	})
}

// importSleeper imports an image with one static program, /sleep, that runs for
// ever.
func importSleeper(t *testing.T, c *client.Client) {
	t.Helper()
	dir := t.TempDir()
	src := filepath.Join(dir, "sleep.go")
	if err := os.WriteFile(src, []byte("package main\nimport \"time\"\nfunc main() { time.Sleep(time.Hour) }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", "sleep", "sleep.go")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GO111MODULE=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("cannot build a program for the container: %v\n%s", err, out)
	}
	program, err := os.ReadFile(filepath.Join(dir, "sleep"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "sleep", Mode: 0o755, Size: int64(len(program))})
	w.Write(program)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	answer, err := c.ImageImport(t.Context(), image.ImportSource{Source: &b, SourceName: "-"}, "sleeper:latest", image.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Close()
	if out, err := io.ReadAll(answer); err != nil || bytes.Contains(out, []byte("error")) {
		t.Fatalf("import: %v, %s", err, out)
	}
}

func TestTwoAtOnce(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		before := tree(t, spec.Root)
		a := throwawaytest.Start(t, spec)
		b := throwawaytest.Start(t, spec)
		if err := throwaway.Load(t.Context(), a, app); err != nil {
			t.Fatal(err)
		}
		if err := throwaway.Load(t.Context(), b, next); err != nil {
			t.Fatal(err)
		}
		checkImage(t, a, app)
		checkImage(t, b, next)
		if engineID(t, a) == engineID(t, b) && spec.Kind == throwaway.Docker {
			t.Error("two engines have one ID")
		}
		if err := a.Stop(); err != nil {
			t.Fatal(err)
		}
		checkImage(t, b, next)
		if err := b.Stop(); err != nil {
			t.Fatal(err)
		}
		if after := tree(t, spec.Root); after != before {
			t.Errorf("the system's folder has changed:\n%s\nbefore:\n%s", after, before)
		}
	})
}

func TestDiskLimit(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		spec.DiskLimit = 24 << 20
		e := throwawaytest.Start(t, spec)
		if err := throwaway.Load(t.Context(), e, app); err != nil {
			t.Fatal(err)
		}
		big := throwaway.Image{Ref: "big", Layers: []throwaway.Layer{{Size: 40 << 20, Seed: 9}}}
		err := throwaway.Load(t.Context(), e, big)
		if err == nil {
			t.Fatal("an image larger than the disk was loaded")
		}
		t.Logf("as it should: %v", err)
		if !strings.Contains(err.Error(), "no space left") {
			t.Errorf("not for lack of space: %v", err)
		}
	})
}

func TestNetNS(t *testing.T) {
	specs := throwawaytest.Specs(t)
	ip, err := exec.LookPath("ip")
	if err != nil {
		t.Skip("no ip program here")
	}
	name := fmt.Sprintf("imgsend-tw-%d", os.Getpid())
	if out, err := exec.Command(ip, "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("cannot make a network namespace: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(ip, "netns", "del", name).CombinedOutput(); err != nil {
			t.Errorf("remove network namespace: %s", out)
		}
	})
	spec := specs[len(specs)-1]
	spec.NetNS = name
	e := throwawaytest.Start(t, spec)
	out, err := exec.Command(ip, "netns", "identify", fmt.Sprint(e.PID())).Output()
	if err != nil || strings.TrimSpace(string(out)) != name {
		t.Errorf("the engine is in namespace %q: %v", out, err)
	}
	ours, _ := os.Readlink("/proc/self/ns/net")
	if thread, _ := os.Readlink("/proc/thread-self/ns/net"); thread != ours {
		t.Error("this process is in the namespace too")
	}
	spec.NetNS = "no-such-namespace"
	if e, err := throwaway.Start(t.Context(), spec); err == nil {
		e.Stop()
		t.Error("started in a namespace that does not exist")
	}
}

func TestStartFailure(t *testing.T) {
	ownTemp(t)
	spec := throwawaytest.Specs(t)[0]
	spec.Args = []string{"--no-such-flag"}
	_, err := throwaway.Start(t.Context(), spec)
	if err == nil || !strings.Contains(err.Error(), "unknown flag") {
		t.Errorf("error without the engine's reason: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	spec.Args = nil
	if _, err := throwaway.Start(ctx, spec); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled start: %v", err)
	}
	if left := folders(t); len(left) > 0 {
		t.Errorf("folders left: %v", left)
	}
}

// TestOwnerKilled kills a process that has started an engine: all the engine's
// processes must end by themselves, and the next Start remove its folder.
func TestOwnerKilled(t *testing.T) {
	if os.Getenv("THROWAWAY_OWNER") != "" {
		e := throwawaytest.Start(t, ownersSpec(t))
		fmt.Printf("\nFOLDER %s\n", folderOf(e))
		select {} // until killed
	}
	ownTemp(t)
	spec := ownersSpec(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestOwnerKilled$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), "THROWAWAY_OWNER=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var dir string
	for buf := ""; dir == ""; {
		b := make([]byte, 1024)
		n, err := out.Read(b)
		if err != nil {
			t.Fatalf("the owner ended: %v\n%s", err, buf)
		}
		buf += string(b[:n])
		if _, rest, ok := strings.Cut(buf, "\nFOLDER "); ok {
			dir, _, _ = strings.Cut(rest, "\n")
		}
	}

	// While the owner lives, its folder stays.
	throwawaytest.Start(t, spec)
	if len(processesOf(t, dir)) == 0 {
		t.Fatal("the owner's engine does not run")
	}
	cmd.Process.Kill()
	cmd.Wait()
	for deadline := time.Now().Add(10 * time.Second); len(processesOf(t, dir)) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("processes outlive their owner: %v", processesOf(t, dir))
		}
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("test needs a folder that is left: %v", err)
	}
	throwawaytest.Start(t, spec)
	checkGone(t, dir)
}

func ownersSpec(t *testing.T) throwaway.Spec { return throwawaytest.Specs(t)[0] }

func folderOf(e *throwaway.Engine) string {
	return filepath.Dir(strings.TrimPrefix(e.Host(), "unix://"))
}

// ownTemp gives the test a temporary folder that no other process looks at:
// engines of other tests on the machine come and go, and tidy up, as well.
func ownTemp(t *testing.T) { t.Setenv("TMPDIR", t.TempDir()) }

func folders(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(os.TempDir(), "imgsend-tw-*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// processesOf lists the processes with dir in their command or their mounts.
func processesOf(t *testing.T, dir string) (found []string) {
	t.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		cmd, _ := os.ReadFile(p + "/cmdline")
		mounts, _ := os.ReadFile(p + "/mountinfo")
		if strings.Contains(string(cmd), dir) || strings.Contains(string(mounts), filepath.Base(dir)) {
			found = append(found, p+" "+strings.ReplaceAll(string(cmd), "\x00", " "))
		}
	}
	return found
}

func checkGone(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", dir, err)
	}
	if ps := processesOf(t, dir); len(ps) > 0 {
		t.Errorf("processes left: %v", ps)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), filepath.Base(dir)) {
		t.Errorf("mounts left: %v\n%s", err, mounts)
	}
	if left, _ := filepath.Glob("/sys/fs/cgroup/*/" + filepath.Base(dir)); len(left) > 0 {
		t.Errorf("cgroups left: %v", left)
	}
}

func engineID(t *testing.T, e *throwaway.Engine) string {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	info, err := c.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e.Spec().Kind == throwaway.Podman {
		return "" // Podman makes one up for each request
	}
	return info.ID
}

// tree lists the folders of a system where engines write, with their times.
func tree(t *testing.T, root string) string {
	t.Helper()
	if root == "" {
		return ""
	}
	var b strings.Builder
	for _, d := range []string{"", "dev", "etc", "etc/docker", "opt", "proc", "root", "run", "sys", "tmp", "var", "var/lib", "var/tmp"} {
		if info, err := os.Stat(filepath.Join(root, d)); err == nil {
			fmt.Fprintf(&b, "%s %v\n", d, info.ModTime())
		}
	}
	return b.String()
}
