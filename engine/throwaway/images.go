package throwaway

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"time"

	"github.com/opencontainers/go-digest"
)

// Image is an image to make. Equal values make equal images, byte for byte.
type Image struct {
	// Ref is the name it is loaded under, such as "webapp:1.0". Without a tag
	// it means ":latest"; empty means without a name.
	Ref string

	Layers []Layer // bottom first

	Env, Cmd []string
	Labels   map[string]string
	// Settings are more fields of the config's settings, such as Healthcheck.
	Settings map[string]any

	Created time.Time // zero means the start of 2024
	OS      string    // empty means linux
	Arch    string    // empty means that of this program
}

// DiffIDs returns the digests of the layers' tar files, bottom first: what
// every engine shows as RootFS.Layers. It has to make layers that this process
// has not made before.
func (m Image) DiffIDs() []string {
	ids := make([]string, len(m.Layers))
	for i, l := range m.Layers {
		ids[i] = l.DiffID()
	}
	return ids
}

// ID returns the digest of the image's config: the image ID of Docker's classic
// store and of Podman. A containerd store shows the digest of a manifest
// instead.
func (m Image) ID() string { return digestOf(m.config()) }

// Size returns the size of the layers' tar files together.
func (m Image) Size() (n int64) {
	for _, l := range m.Layers {
		n += l.TarSize()
	}
	return n
}

func (m Image) created() time.Time {
	if m.Created.IsZero() {
		return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return m.Created.UTC()
}

func (m Image) os() string   { return cmp.Or(m.OS, "linux") }
func (m Image) arch() string { return cmp.Or(m.Arch, runtime.GOARCH) }

// The config is written with types of our own, so that a new version of a
// library does not change image IDs.
type imageConfig struct {
	Architecture string         `json:"architecture"`
	OS           string         `json:"os"`
	Created      time.Time      `json:"created"`
	Config       any            `json:"config"` // containerConfig, or the map that it is with Settings
	RootFS       rootFS         `json:"rootfs"`
	History      []historyEntry `json:"history,omitempty"`
}

type containerConfig struct {
	Env    []string          `json:"Env,omitempty"`
	Cmd    []string          `json:"Cmd,omitempty"`
	Labels map[string]string `json:"Labels,omitempty"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type historyEntry struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

func (m Image) config() []byte {
	c := imageConfig{
		Architecture: m.arch(),
		OS:           m.os(),
		Created:      m.created(),
		Config:       containerConfig{Env: m.Env, Cmd: m.Cmd, Labels: m.Labels},
		RootFS:       rootFS{Type: "layers", DiffIDs: m.DiffIDs()},
	}
	if m.Settings != nil {
		all := maps.Clone(m.Settings)
		if err := json.Unmarshal(marshal(c.Config), &all); err != nil {
			panic(fmt.Sprintf("throwaway: internal error: %v", err)) // it was just marshalled
		}
		c.Config = all
	}
	for _, l := range m.Layers {
		c.History = append(c.History, historyEntry{m.created(), "imgsend throwaway " + l.String()})
	}
	return marshal(c)
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("throwaway: marshal %T: %v", v, err)) // only a year beyond 9999 does that
	}
	return b
}

func digestOf(b []byte) string { return digest.FromBytes(b).String() }
