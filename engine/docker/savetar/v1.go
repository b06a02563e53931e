package savetar

import (
	"encoding/json"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
)

// Docker before 25 saves each layer in a folder named by a v1 image ID, which
// is known before the export but for an image's top layer: the SHA-256 of the
// compact JSON below (checked on 20.10.24). The top layer's ID also covers the
// image's config; its folder is told by its parent.
type v1Layers struct {
	layer map[string]digest.Digest // folder → DiffID
	top   map[string]digest.Digest // parent folder → DiffID of the top layer on it
}

// zeroConfig is the JSON of an empty container configuration in the field
// order of Docker 20.10.
const zeroConfig = `{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,` +
	`"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"",` +
	`"Entrypoint":null,"OnBuild":null,"Labels":null}`

func v1ID(chain, parent digest.Digest) digest.Digest {
	body, err := json.Marshal(struct { // sorted by key
		ContainerConfig json.RawMessage `json:"container_config"`
		Created         string          `json:"created"`
		LayerID         digest.Digest   `json:"layer_id"`
		Parent          digest.Digest   `json:"parent,omitempty"`
	}{json.RawMessage(zeroConfig), "1970-01-01T00:00:00Z", chain, parent})
	if err != nil {
		panic("savetar: internal error: " + err.Error()) // constants and strings
	}
	return digest.FromBytes(body)
}

// Together reports whether one save can hold the images. Docker's old format does
// not tell two top layers on the same parent apart.
func Together(f Format, images []*transfer.Image) bool {
	if f != Classic {
		return true
	}
	_, ok := newV1Layers(images)
	return ok
}

// newV1Layers computes the folders of the images. ok is false when two of them
// have different top layers on the same parent: which is which would not show.
func newV1Layers(images []*transfer.Image) (v *v1Layers, ok bool) {
	v = &v1Layers{layer: map[string]digest.Digest{}, top: map[string]digest.Digest{}}
	for _, m := range images {
		diffIDs := make([]digest.Digest, len(m.Layers))
		for i, l := range m.Layers {
			diffIDs[i] = l.DiffID
		}
		var parent digest.Digest
		for i, d := range diffIDs {
			folder := ""
			if parent != "" {
				folder = parent.Encoded()
			}
			if i == len(diffIDs)-1 {
				if other, taken := v.top[folder]; taken && other != d {
					return nil, false
				}
				v.top[folder] = d
				break
			}
			parent = v1ID(identity.ChainID(diffIDs[:i+1]), parent)
			v.layer[parent.Encoded()] = d
		}
	}
	return v, true
}

// saw learns from the json member of a folder: one that is not known by its
// name holds the top layer of the image whose parent it names.
func (v *v1Layers) saw(folder string, body []byte) error {
	if _, known := v.layer[folder]; known {
		return nil
	}
	var doc struct{ Parent string }
	if err := json.Unmarshal(body, &doc); err != nil {
		return err
	}
	if d, ok := v.top[doc.Parent]; ok {
		v.layer[folder] = d
	}
	return nil
}
