package docker_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerSettings are all that a config can say beyond OCI's fields and that an
// image can hand on to its containers.
var dockerSettings = map[string]any{
	"Healthcheck": map[string]any{"Test": []any{"CMD", "/healthy"}, "Interval": 5e9, "Retries": 3.0},
	"OnBuild":     []any{"RUN /app"},
	"Shell":       []any{"/bin/other", "-c"},
	"StopTimeout": 7.0,
	"ArgsEscaped": true,
}

// TestDockerSettings sends an image whose config has settings that OCI's does not
// define: the config stays as it is, and a container of the image has the health
// check.
func TestDockerSettings(t *testing.T) {
	fewPairs(t, func(t *testing.T, from, to throwaway.Spec) {
		a, b := pool.Get(t, from, "sender"), pool.Get(t, to, "receiver")
		m, _ := versions("settings" + from.Name + to.Name)
		m.Settings = dockerSettings
		load(t, a, m)
		_, arrivals := copyImages(t, a, b, m.Ref)
		check(t, b, m, arrivals)
		for _, e := range []*throwaway.Engine{a, b} {
			got := configOf(t, e, m.Ref)
			for name, want := range dockerSettings {
				if !reflect.DeepEqual(got[name], want) {
					t.Errorf("%s: %s is %v, not %v", e.Spec().Name, name, got[name], want)
				}
			}
		}
		c, err := b.Client()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		made, err := c.ContainerCreate(t.Context(), &container.Config{Image: m.Ref}, &container.HostConfig{NetworkMode: "none"}, nil, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.ContainerRemove(t.Context(), made.ID, container.RemoveOptions{Force: true}) }()
		in, err := c.ContainerInspect(t.Context(), made.ID)
		if err != nil {
			t.Fatal(err)
		}
		if h := in.Config.Healthcheck; h == nil || !slices.Equal(h.Test, []string{"CMD", "/healthy"}) {
			t.Errorf("a container on %s has the health check %+v", to.Name, h)
		}
	})
}

// A configSink keeps the configs that are put into it.
type configSink struct {
	discard
	settings []map[string]any
}

func (s *configSink) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if d.Size > layout.MaxDocument {
		return s.discard.Put(ctx, d, r)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	var config struct {
		Config map[string]any `json:"config"`
		RootFS any            `json:"rootfs"`
	}
	if json.Unmarshal(b, &config) == nil && config.RootFS != nil {
		s.settings = append(s.settings, maps.Clone(config.Config))
	}
	return nil
}

// configOf returns the settings in the config of the image, as it leaves the engine.
func configOf(t *testing.T, e *throwaway.Engine, ref string) map[string]any {
	t.Helper()
	src, err := docker.NewSource(t.Context(), open(t, e), []store.Request{{Image: ref}}, store.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := &configSink{}
	if _, err := transfer.Copy(t.Context(), src, s, transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	if len(s.settings) != 1 {
		t.Fatalf("%d configs", len(s.settings))
	}
	return s.settings[0]
}
