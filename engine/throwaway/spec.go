package throwaway

import (
	"errors"
	"fmt"
)

// Kind says which program an engine is.
type Kind int

// The engines.
const (
	Docker Kind = iota // dockerd
	Podman             // podman system service, with its Docker-compatible API
	Native             // containerd by itself, with its own API and not Docker's
)

// String returns "docker", "podman" or "containerd".
func (k Kind) String() string {
	switch k {
	case Docker:
		return "docker"
	case Podman:
		return "podman"
	case Native:
		return "containerd"
	}
	return fmt.Sprintf("kind(%d)", int(k))
}

// Data is where an engine keeps its images: on disk, in the folder for temporary
// files, or in a tmpfs of its own, where engines are several times faster. A
// tmpfs takes memory only for what is in it.
type Data int

// The places.
const (
	// AnyData is memory where 6 GiB of it are available at the start, else disk.
	AnyData Data = iota
	OnDisk
	InMemory
)

// ErrUnsupported is what [Start] returns where no engine can be started at
// all: not Linux, or not root.
var ErrUnsupported = errors.New("throwaway engines need linux and root")

// Spec describes an engine to start. [Available] and [AvailableNative] return
// those that this machine can run; a caller may change NetNS, Data, DiskLimit, Args and Env of
// them.
type Spec struct {
	// Name is for people, such as "containerd-28.5".
	Name string

	Kind Kind

	// Root is a folder with a whole system to run the engine's programs from.
	// Empty means the programs of this machine. It is never written to.
	Root string

	// Containerd chooses Docker's containerd image store instead of the
	// classic one (graph driver). Docker 26 and newer have both.
	Containerd bool

	// NetNS is the name of a network namespace (as of "ip netns add") to run
	// the engine in. Empty means that of the caller. The engine's socket can be
	// reached from every namespace.
	NetNS string

	// Data chooses where the engine keeps its images.
	Data Data

	// DiskLimit is how many bytes the engine can store before its disk is full. It
	// takes data in memory. 0 means 2 GiB in memory and no limit on disk.
	DiskLimit int64

	// Args are further arguments for the engine, Env further variables.
	Args, Env []string
}

// Skipped is an engine that cannot run here, and why, in words.
type Skipped struct{ Name, Reason string }
