package layout_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestDockerSettings sets one field after the other that Docker's config has: where
// OCI's has none a manifest of Docker's is composed, which Podman reads it under.
func TestDockerSettings(t *testing.T) {
	fields := reflect.TypeFor[container.Config]()
	docker := 0
	for i := range fields.NumField() {
		f := fields.Field(i)
		var settings container.Config
		fill(t, reflect.ValueOf(&settings).Elem().Field(i))
		b, err := json.Marshal(map[string]any{"config": settings, "rootfs": ocispec.RootFS{Type: "layers"}})
		if err != nil {
			t.Fatal(err)
		}
		_, oci := reflect.TypeFor[ocispec.ImageConfig]().FieldByName(f.Name)
		want := !oci || f.Name == "ArgsEscaped"
		g := layout.NewGuard(&transfer.Offer{})
		d := describe(b)
		if err := put(g, d, b); err != nil {
			t.Fatal(err)
		}
		if got := g.Docker(d.Digest); got != want {
			t.Errorf("%s: settings of Docker's: %v, not %v", f.Name, got, want)
		}
		if want {
			docker++
		}
	}
	if docker < 10 {
		t.Errorf("%d fields that only Docker has", docker)
	}
}

// fill makes a value another than zero.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Struct:
		fill(t, v.Field(0))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key := reflect.New(v.Type().Key()).Elem()
		fill(t, key)
		v.SetMapIndex(key, reflect.Zero(v.Type().Elem()))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(5)
	default:
		t.Fatalf("a field of %s", v.Type())
	}
}

// TestComposeTypes composes manifests with OCI's media types and with Docker's.
func TestComposeTypes(t *testing.T) {
	blobs := []ocispec.Descriptor{
		describe([]byte("a")), {MediaType: "", Digest: describe([]byte("b")).Digest, Size: 1},
		{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: describe([]byte("c")).Digest, Size: 1},
		{MediaType: layout.DockerLayer + ".gzip", Digest: describe([]byte("d")).Digest, Size: 1},
		{MediaType: ocispec.MediaTypeImageLayerZstd, Digest: describe([]byte("e")).Digest, Size: 1},
	}
	for _, tt := range []struct {
		config, manifest string
		layers           []string
	}{
		{ocispec.MediaTypeImageConfig, ocispec.MediaTypeImageManifest, []string{ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayer,
			ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd}},
		{layout.DockerConfig, layout.DockerManifest, []string{layout.DockerLayer, layout.DockerLayer, layout.DockerLayer + ".gzip", layout.DockerLayer + ".gzip", layout.DockerLayer}},
	} {
		m := transfer.IndexImage{Config: describe([]byte("{}")), Layers: blobs}
		m.Config.MediaType = tt.config
		b, d, err := layout.Compose(&m)
		if err != nil {
			t.Fatal(err)
		}
		var got ocispec.Manifest
		if err := json.NewDecoder(bytes.NewReader(b)).Decode(&got); err != nil {
			t.Fatal(err)
		}
		if got.MediaType != tt.manifest || d.MediaType != tt.manifest || got.Config.MediaType != tt.config {
			t.Errorf("%s under %s and %s, the config %s", tt.config, got.MediaType, d.MediaType, got.Config.MediaType)
		}
		for i, l := range got.Layers {
			if l.MediaType != tt.layers[i] || l.Digest != blobs[i].Digest {
				t.Errorf("layer %d, %s, is %s, not %s", i, blobs[i].MediaType, l.MediaType, tt.layers[i])
			}
		}
	}
}
