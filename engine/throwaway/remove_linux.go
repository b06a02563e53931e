package throwaway

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

const removeLimit = 10 * time.Second

// removeTree removes a folder, whatever is in it: mounts, files that are
// marked immutable, and files of processes that are just ending.
func removeTree(path string) error {
	deadline := time.Now().Add(removeLimit)
	for {
		// First, and each time: never remove through a mount.
		if err := unmountBelow(path); err != nil {
			return err
		}
		err := os.RemoveAll(path)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("remove %s: %w", path, err)
		}
		if errors.Is(err, fs.ErrPermission) {
			makeMutable(path)
		}
		time.Sleep(pollEvery)
	}
}

// unmountBelow unmounts everything in a folder.
func unmountBelow(path string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(path))
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mounts) {
		if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) {
			return &os.PathError{Op: "unmount", Path: m.Mountpoint, Err: err}
		}
	}
	if mounts, err = mountinfo.GetMounts(mountinfo.PrefixFilter(path)); err == nil && len(mounts) > 0 {
		err = fmt.Errorf("%s is still mounted", mounts[0].Mountpoint)
	}
	return err
}

// makeMutable takes the marks "immutable" and "append only" off everything in
// a folder.
func makeMutable(path string) {
	_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return nil
		}
		fd, err := unix.Open(p, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil
		}
		defer unix.Close(fd)
		const marks = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND // the same bits as FS_*_FL
		flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
		if err == nil && flags&marks != 0 {
			_ = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags&^marks))
		}
		return nil
	})
}

// removeCgroups removes the cgroups, empty now, of the engine's containers.
func (f *folder) removeCgroups() {
	for _, top := range f.cgroups() {
		removeCgroup(top)
	}
}

// thaw lets the engine's paused containers run. With cgroups of version 1 the kernel
// ends a paused process only then.
func (f *folder) thaw() {
	for _, top := range f.cgroups() {
		for _, depth := range []string{"", "*/"} {
			files, _ := filepath.Glob(top + "/" + depth + "freezer.state")
			for _, file := range files {
				_ = os.WriteFile(file, []byte("THAWED"), 0) // fails if the container has just ended
			}
		}
	}
}

// cgroups returns the cgroups of the engine's containers, in each hierarchy.
// Docker has them below one of the folder's name (--cgroup-parent). Podman has
// no such flag: its containers are told by the IDs in its store, which has to
// be there still, which it is not after an owner with data in memory was killed. The
// folder they are in, libpod_parent, belongs to all Podmans of the machine and stays.
func (f *folder) cgroups() (tops []string) {
	names := []string{f.name()}
	var containers []os.DirEntry
	onOwnThread(func() {
		if enterMountNS(f.memory) == nil {
			containers, _ = os.ReadDir(filepath.Join(f.podmanRoot(), "overlay-containers"))
		}
	})
	for _, c := range containers {
		if c.IsDir() {
			names = append(names, "libpod_parent/libpod-"+c.Name(), "libpod_parent/libpod-conmon-"+c.Name())
		}
	}
	for _, name := range names {
		for _, hierarchy := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
			found, _ := filepath.Glob(hierarchy + name)
			tops = append(tops, found...)
		}
	}
	return tops
}

// removeCgroup removes a cgroup and those below it. The kernel refuses where a
// process is left.
func removeCgroup(top string) {
	var all []string
	_ = filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			all = append(all, p)
		}
		return nil
	})
	for _, p := range slices.Backward(all) {
		_ = unix.Rmdir(p)
	}
}
