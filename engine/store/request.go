package store

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// A Request names an image to send.
type Request struct {
	Image string // a name, with or without a tag or digest, or an image ID
	As    string // the name on arrival; empty: the same name, or none for an ID
	// Listed says that the name was found in the store, and that nobody asked for this one
	// alone: if it is not that of an image that can run it is left out, with a note.
	Listed bool
}

// ParseName returns the full form of a name to give to an image, with a tag:
// "latest" if it has none. Names with a digest cannot be given.
func ParseName(s string) (reference.NamedTagged, error) {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return nil, fmt.Errorf("%q is not an image name: %w", s, err)
	}
	if _, ok := named.(reference.Digested); ok {
		return nil, fmt.Errorf("%q has a digest; a name that is given has only a tag", s)
	}
	tagged, ok := reference.TagNameOnly(named).(reference.NamedTagged)
	if !ok {
		return nil, fmt.Errorf("%q is not an image name", s)
	}
	return tagged, nil
}

// LeftOut says that what has this name is left out.
func LeftOut(name string) string { return name + " is left out: it is not an image that can run" }

// NothingRuns is the error for a store of whose images that were requested none can run.
func NothingRuns(where string) error {
	return &transfer.Error{Kind: transfer.KindEngine, Err: fmt.Errorf("none of it is an image that can run in %s", where)}
}

// Nameless returns a note for an image that was requested by its ID or its digest: it
// arrives without a name. here are its names in the store, if it has any.
func Nameless(asked string, here []string) string {
	if len(here) == 0 {
		return asked + " arrives without a name, unless --as NAME gives it one"
	}
	return fmt.Sprintf("%s is %s here, and arrives without a name: send it by its name, or with --as %s", asked, strings.Join(here, ", "), here[0])
}

// Clobbers returns the error for a name that NoClobber keeps at another image.
func Clobbers(ref, id string) error {
	return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%s already names another image there, %s", ref, id),
		Hint: "send it under another name with --as"}
}

// Remain returns the error for names that were given, and that could not be removed
// again after err.
func Remain(err error, names []string) error {
	const most = 10
	list := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return &transfer.Error{Kind: transfer.KindOf(err), Err: fmt.Errorf("%w; could not be taken back, and remain: %s", err, list)}
}

// CheckLimits reports images that are more than one transfer takes, before anything
// is sent.
func CheckLimits(images []transfer.Image) error {
	if err := transfer.CheckLimits(images); err != nil {
		return &transfer.Error{Kind: transfer.KindUsage, Err: err, Hint: transfer.SeveralGoes}
	}
	return nil
}

// OnlySHA256 refuses an image whose config has a digest of another algorithm; with all, an
// image with any such blob. Engines have been seen to store these under other digests.
// where is the store that receives the image.
func OnlySHA256(m *transfer.Image, where string, all bool) error {
	blobs := []digest.Digest{m.Config}
	if all {
		blobs = append(blobs, m.Root)
		for _, l := range m.Layers {
			blobs = append(blobs, l.Digest)
		}
	}
	for _, d := range blobs {
		if d != "" && d.Algorithm() != digest.SHA256 {
			return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%s has blobs by %s, which %s cannot store", m.Name(), d.Algorithm(), where)}
		}
	}
	return nil
}

// SameName reports whether two texts are the same image name, in whatever form: webapp is
// docker.io/library/webapp:latest.
func SameName(a, b string) bool {
	x, errX := ParseName(a)
	y, errY := ParseName(b)
	return errX == nil && errY == nil && x.String() == y.String()
}
