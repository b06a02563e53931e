package layout

import (
	"fmt"
	"maps"
	"strings"

	"github.com/distribution/reference"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// NameAnnotation has an image's full name, docker.io/library/webapp:1.0: what
// Docker and Podman load an image as. What skopeo looks for stands in
// [ocispec.AnnotationRefName] in its short form, webapp:1.0.
const NameAnnotation = "io.containerd.image.name"

// Named returns the descriptor d with the annotations of a name, in addition to
// those that it has.
func Named(d ocispec.Descriptor, name string) (ocispec.Descriptor, error) {
	n, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return d, fmt.Errorf("%q is not an image name: %w", name, err)
	}
	n = reference.TagNameOnly(n)
	d.Annotations = maps.Clone(d.Annotations)
	if d.Annotations == nil {
		d.Annotations = map[string]string{}
	}
	d.Annotations[NameAnnotation] = n.String()
	d.Annotations[ocispec.AnnotationRefName] = reference.FamiliarString(n)
	return d, nil
}

// NameOf returns the name that an entry of index.json has, in its short form,
// or "". A tag alone, which is what Docker writes as the reference, is none. Of
// what is not a name it returns an error and the text as it is.
func NameOf(d ocispec.Descriptor) (string, error) {
	s := d.Annotations[NameAnnotation]
	if s == "" {
		s = d.Annotations[ocispec.AnnotationRefName]
		if !strings.ContainsAny(s, ":/") {
			return "", nil
		}
	}
	return ShortName(s)
}

// ShortName returns a name in its short form and with a tag, or "" if it is one
// with a digest, which cannot be given. Of what is not a name it returns an error and
// the text as it is.
func ShortName(s string) (string, error) {
	n, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return transfer.Printable(s), transfer.Broken("%.300q is not an image name: %w", s, err)
	}
	if _, ok := n.(reference.Digested); ok {
		return "", nil
	}
	return reference.FamiliarString(reference.TagNameOnly(n)), nil
}

// roots returns the entries of index.json for an image: one a name, or one.
func (m *Entry) roots() ([]ocispec.Descriptor, error) {
	if len(m.Names) == 0 {
		return []ocispec.Descriptor{m.Root}, nil
	}
	var out []ocispec.Descriptor
	for _, name := range m.Names {
		d, err := Named(m.Root, name)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}
