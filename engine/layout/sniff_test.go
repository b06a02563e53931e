package layout_test

import (
	"archive/tar"
	"bytes"
	"testing"

	"github.com/imgsend/imgsend/engine/layout"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestSniff(t *testing.T) {
	var layer bytes.Buffer
	tw := tar.NewWriter(&layer)
	if err := tw.WriteHeader(&tar.Header{Name: `{"a":1}`, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		blob []byte
		want string
	}{
		{"empty", nil, ocispec.MediaTypeImageLayer},
		{"config", []byte(`{"os":"linux"}`), ocispec.MediaTypeImageConfig},
		{"long document", append([]byte("{"), bytes.Repeat([]byte(" "), 1000)...), ocispec.MediaTypeImageConfig},
		{"layer whose first name begins with a brace", layer.Bytes(), ocispec.MediaTypeImageLayer},
		{"gzip", []byte{0x1f, 0x8b, 8}, ocispec.MediaTypeImageLayerGzip},
		{"zstd, with a frame to be skipped", []byte{0x5a, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, ocispec.MediaTypeImageLayerZstd},
		{"zstd", []byte{0x28, 0xb5, 0x2f, 0xfd}, ocispec.MediaTypeImageLayerZstd},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := layout.Sniff(tt.blob[:min(len(tt.blob), layout.SniffLen)]); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
