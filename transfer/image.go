package transfer

import (
	"errors"
	"fmt"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Limits of one offer. Engines stop at 127 layers an image.
const (
	MaxImages = 4096
	MaxLayers = 1024 // of an image
	MaxRefs   = 4096 // of an image
	// MaxTotal is how many layers and names all images may have together, each
	// counted as often as it is listed.
	MaxTotal = 32768
)

// An Offer lists the images that a source offers in one round.
type Offer struct {
	Images []Image `json:"images"`
	// Full asks for every layer, whether the sink has it or not: a layer
	// that was there when it was asked for has vanished since.
	Full bool `json:"full,omitempty"`
	// DryRun asks for the plan only.
	DryRun bool `json:"dry_run,omitempty"`
}

// An Image is one image as its source describes it before it is exported. In
// an offer that came over a stream every field is a claim of the other side.
type Image struct {
	// ID is the image ID in the source's engine: a config digest on a
	// classic store, a manifest or index digest on a containerd store.
	ID digest.Digest `json:"id"`
	// Refs are the names to give on arrival, each with a tag. None: the image
	// stays untagged.
	Refs []string `json:"refs,omitempty"`
	// Root is the digest of the manifest or index that the image is; empty
	// where the source's store keeps none.
	Root digest.Digest `json:"root,omitempty"`
	// Config is the digest of the image config; empty if it is not known
	// before the export.
	Config   digest.Digest    `json:"config,omitempty"`
	Platform ocispec.Platform `json:"platform"`
	// Layers stand bottom first.
	Layers []Layer `json:"layers"`
	// Extra is at least the size in bytes of all other blobs that come with the
	// image: configs, manifests, attestations, other platforms. 0: not known.
	Extra int64 `json:"extra,omitempty"`
}

// A Layer is one layer of an offered image.
type Layer struct {
	// DiffID is the digest of the uncompressed layer.
	DiffID digest.Digest `json:"diff_id"`
	// Digest is the digest of the blob that would be shipped, compressed or
	// not; empty if it is not known before the export.
	Digest digest.Digest `json:"digest,omitempty"`
	// Size of that blob in bytes: an estimate where the source's store does not
	// record it.
	Size int64 `json:"size,omitempty"`
	// Exact says that Size is no estimate: no blob with Digest has another.
	Exact bool `json:"exact,omitempty"`
}

// Size is the sum of the layers' sizes.
func (m *Image) Size() int64 {
	var n int64
	for _, l := range m.Layers {
		n += l.Size
	}
	return n
}

// Name is the image's first name, or its ID where it has none.
func (m *Image) Name() string {
	if len(m.Refs) > 0 {
		return m.Refs[0]
	}
	return m.ID.String()
}

// Status is a sink's answer for one image.
type Status string

// The states of an offered image at the sink.
const (
	Whole Status = "whole" // already there, only the names are missing
	Take  Status = "take"  // to be exported now
)

// A Plan is a sink's answer to an [Offer], image by image in its order.
type Plan struct {
	Images []ImagePlan `json:"images"`
	// DryRun says that the sink's side wants no more than this plan. [Copy]
	// sets it, from its options and the offer.
	DryRun bool `json:"dry_run,omitempty"`
	// KnowsSizes says that the index may give size 0 for layers that the sink has.
	KnowsSizes bool `json:"knows_sizes,omitempty"`
}

// An ImagePlan is the sink's answer for one image of the offer.
type ImagePlan struct {
	Status Status `json:"status"`
	// Have says for each layer, bottom first, whether the sink has it. What it
	// has it keeps until the round has ended. Only for [Take].
	Have []bool `json:"have,omitempty"`
}

// An Index lists the images with status [Take], in the offer's order, each with the
// descriptors of its blobs.
type Index struct {
	Images []IndexImage `json:"images"`
}

// An IndexImage is one exported image.
type IndexImage struct {
	ID digest.Digest `json:"id"` // as offered
	// Root is the manifest or index that the image is, if the source has one.
	// Its blobs have been sent like any other.
	Root   *ocispec.Descriptor  `json:"root,omitempty"`
	Config ocispec.Descriptor   `json:"config"`
	Layers []ocispec.Descriptor `json:"layers"` // bottom first, left-out ones included
}

// An Outcome is the result of a round at the sink.
type Outcome struct {
	Images []Arrival `json:"images"`
	// Retry, if not empty, says why nothing arrived and the offer is to be
	// made once more with Full set.
	Retry string `json:"retry,omitempty"`
}

// An Arrival is one image that is complete, verified and named at the sink.
type Arrival struct {
	ID    digest.Digest `json:"id"`  // as offered
	New   digest.Digest `json:"new"` // what the sink's engine calls it
	Names []Name        `json:"names,omitempty"`
}

// A Name is one name given to an image that arrived.
type Name struct {
	Ref string `json:"ref"`
	// Replaced is the image that had the name before, if it was another one.
	Replaced digest.Digest `json:"replaced,omitempty"`
}

func validDigest(what string, d digest.Digest) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("%s %.80q: %w", what, d, err)
	}
	return nil
}

// SeveralGoes is the hint for an offer that is too large.
const SeveralGoes = "send the images in several transfers"

// CheckLimits reports images that are more than one offer may have.
func CheckLimits(images []Image) error {
	if len(images) > MaxImages {
		return fmt.Errorf("%d images, over the limit of %d", len(images), MaxImages)
	}
	total := 0
	for i := range images {
		m := &images[i]
		if len(m.Refs) > MaxRefs {
			return fmt.Errorf("%s with %d names, over the limit of %d", m.Name(), len(m.Refs), MaxRefs)
		}
		if len(m.Layers) > MaxLayers {
			return fmt.Errorf("%s with %d layers, over the limit of %d", m.Name(), len(m.Layers), MaxLayers)
		}
		if total += len(m.Layers) + len(m.Refs); total > MaxTotal {
			return fmt.Errorf("%d images with more than %d layers and names in all", len(images), MaxTotal)
		}
	}
	return nil
}

// Validate reports what is wrong with an offer that came from elsewhere. Its error is of
// [KindRefused] for one that is only too large.
func (o *Offer) Validate() error {
	if len(o.Images) == 0 {
		return errors.New("offer of 0 images")
	}
	if err := CheckLimits(o.Images); err != nil {
		return &Error{Kind: KindRefused, Err: err, Hint: SeveralGoes}
	}
	var total int64
	for i := range o.Images {
		m := &o.Images[i]
		if err := m.validate(); err != nil {
			return fmt.Errorf("offered image %d: %w", i, err)
		}
		if total += m.Size() + m.Extra; total > maxOffered {
			return fmt.Errorf("offer of more than %d bytes", int64(maxOffered))
		}
	}
	return nil
}

// DiffIDs returns the digests of the uncompressed layers, bottom first.
func (m *Image) DiffIDs() []digest.Digest {
	ids := make([]digest.Digest, len(m.Layers))
	for i, l := range m.Layers {
		ids[i] = l.DiffID
	}
	return ids
}

func (m *Image) validate() error {
	if err := validDigest("image id", m.ID); err != nil {
		return err
	}
	if m.Root != "" {
		if err := validDigest("manifest", m.Root); err != nil {
			return err
		}
	}
	if m.Config != "" {
		if err := validDigest("config", m.Config); err != nil {
			return err
		}
	}
	if m.Extra < 0 || m.Extra > maxOffered {
		return fmt.Errorf("%d bytes beside the layers", m.Extra)
	}
	var total int64
	for _, l := range m.Layers {
		if err := validDigest("layer", l.DiffID); err != nil {
			return err
		}
		if l.Digest != "" {
			if err := validDigest("layer blob", l.Digest); err != nil {
				return err
			}
		}
		if l.Size < 0 || l.Size > maxOffered {
			return fmt.Errorf("layer of %d bytes", l.Size)
		}
		if total += l.Size; total > maxOffered {
			return fmt.Errorf("layers of more than %d bytes", int64(maxOffered))
		}
	}
	return nil
}

// WellFormed reports what is wrong with an outcome that came from elsewhere,
// whatever was offered.
func (out *Outcome) WellFormed() error {
	if len(out.Images) > MaxImages {
		return fmt.Errorf("%d images, over the limit of %d", len(out.Images), MaxImages)
	}
	for i := range out.Images {
		a := &out.Images[i]
		if err := validDigest("image id", a.ID); err != nil {
			return err
		}
		if err := validDigest("new image id", a.New); err != nil {
			return err
		}
		for _, n := range a.Names {
			if err := validName(n.Ref); err != nil {
				return err
			}
			if n.Replaced == "" {
				continue
			}
			if err := validDigest("replaced image id", n.Replaced); err != nil {
				return err
			}
		}
	}
	return nil
}

// validName reports whether ref is a name with a tag that an image can have.
func validName(ref string) error {
	n, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return fmt.Errorf("%.300q is not an image name: %w", ref, err)
	}
	if _, ok := n.(reference.NamedTagged); !ok {
		return fmt.Errorf("%.300q has no tag", ref)
	}
	return nil
}

// Validate reports whether out is well formed and can be the outcome of o: every image
// arrived once, and no other; each has names if it was offered with some, and no more
// than these and one. Which names they are is up to the sink, whose user may have
// renamed the image.
func (out *Outcome) Validate(o *Offer) error {
	if err := out.WellFormed(); err != nil {
		return err
	}
	if out.Retry != "" {
		if len(out.Images) > 0 {
			return fmt.Errorf("%d images and a retry", len(out.Images))
		}
		return nil
	}
	due := map[digest.Digest][]*Image{}
	for i := range o.Images {
		m := &o.Images[i]
		due[m.ID] = append(due[m.ID], m)
	}
	for i := range out.Images {
		a := &out.Images[i]
		same := due[a.ID]
		if len(same) == 0 {
			return fmt.Errorf("image %s was not offered for this round, or arrived twice", a.ID)
		}
		m := same[0]
		due[a.ID] = same[1:]
		if len(a.Names) == 0 && len(m.Refs) > 0 || len(a.Names) > len(m.Refs)+1 {
			return fmt.Errorf("%s was offered with %d names and has %d", m.Name(), len(m.Refs), len(a.Names))
		}
	}
	for _, left := range due {
		if len(left) > 0 {
			return fmt.Errorf("no word of %s", left[0].Name())
		}
	}
	return nil
}

// Validate reports whether p answers o.
func (p *Plan) Validate(o *Offer) error {
	if len(p.Images) != len(o.Images) {
		return fmt.Errorf("answer for %d of %d images", len(p.Images), len(o.Images))
	}
	for i, ip := range p.Images {
		switch ip.Status {
		case Take:
			if len(ip.Have) != len(o.Images[i].Layers) {
				return fmt.Errorf("answer for %d of %d layers", len(ip.Have), len(o.Images[i].Layers))
			}
		case Whole:
		default:
			return fmt.Errorf("unknown status %.20q", ip.Status)
		}
	}
	return nil
}

// Validate reports whether x is the index of what p takes of o.
func (x *Index) Validate(o *Offer, p *Plan) error {
	n := 0
	for i, ip := range p.Images {
		if ip.Status != Take {
			continue
		}
		if n == len(x.Images) {
			return fmt.Errorf("index of %d images, too few", n)
		}
		m := &x.Images[n]
		n++
		if m.ID != o.Images[i].ID {
			return fmt.Errorf("index has %.80q where %s was offered", m.ID, o.Images[i].ID)
		}
		if len(m.Layers) != len(o.Images[i].Layers) {
			return fmt.Errorf("index has %d layers where %d were offered", len(m.Layers), len(o.Images[i].Layers))
		}
		docs := []ocispec.Descriptor{m.Config}
		if m.Root != nil {
			docs = append(docs, *m.Root)
		}
		for _, d := range docs {
			if d.Size > MaxDocument {
				return tooLarge(d)
			}
		}
		for _, d := range append(docs, m.Layers...) {
			if err := validDigest("index entry", d.Digest); err != nil {
				return err
			}
			if d.Size < 0 {
				return fmt.Errorf("index entry of %d bytes", d.Size)
			}
		}
	}
	if n != len(x.Images) {
		return fmt.Errorf("index of %d images where %d were taken", len(x.Images), n)
	}
	return nil
}
