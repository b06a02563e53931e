package layout

import (
	"encoding/json"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ociSettings are the fields of a config's settings that OCI defines, but for
// ArgsEscaped, which it only reserves.
var ociSettings = []string{"User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal"}

// dockerSettings reports whether an image config has settings that OCI does not
// define, such as Healthcheck, OnBuild, Shell and StopTimeout.
func dockerSettings(config []byte) bool {
	var c struct {
		Config map[string]json.RawMessage `json:"config"`
	}
	if json.Unmarshal(config, &c) != nil {
		return false
	}
	for name, value := range c.Config {
		known := slices.ContainsFunc(ociSettings, func(s string) bool { return strings.EqualFold(s, name) })
		if !known && !slices.Contains([]string{"null", "false", "0", `""`, "[]", "{}"}, string(value)) {
			return true
		}
	}
	return false
}

// dockerLayer returns the media type of a layer under a Docker manifest. There is
// none for zstd: engines look at the layer itself.
func dockerLayer(mediaType string) string {
	if strings.HasSuffix(mediaType, "gzip") {
		return DockerLayer + ".gzip"
	}
	return DockerLayer
}

// ociLayer returns the media type of a layer under an OCI manifest.
func ociLayer(mediaType string) string {
	switch mediaType {
	case "", DockerLayer:
		return ocispec.MediaTypeImageLayer
	case DockerLayer + ".gzip":
		return ocispec.MediaTypeImageLayerGzip
	}
	return mediaType
}
