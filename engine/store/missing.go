package store

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/imgsend/imgsend/transfer"
)

// A MissingError says that a store has no images of these names or IDs, or none that
// match these patterns.
type MissingError struct {
	Thing  string   // what they are instead of images, such as "container"; empty: images
	Images []string // as they were asked for
	Where  string   // the store
}

func (e *MissingError) Error() string {
	last, thing := len(e.Images)-1, cmp.Or(e.Thing, "image")
	switch {
	case last == 0 && IsPattern(e.Images[0]):
		return fmt.Sprintf("no image in %s matches %s", e.Where, e.Images[0])
	case last == 0:
		return fmt.Sprintf("no %s %s in %s", thing, e.Images[0], e.Where)
	}
	return fmt.Sprintf("no %ss %s and %s in %s", thing, strings.Join(e.Images[:last], ", "), e.Images[last], e.Where)
}

// Missing returns the error for one image that a store does not have. names are the names
// of the images that it has; the hint lists those that look alike, if there are any.
func Missing(image, where string, names []string) *transfer.Error {
	err := &transfer.Error{Kind: transfer.KindEngine, Err: &MissingError{Images: []string{image}, Where: where}}
	if near := Nearest(image, names); len(near) > 0 {
		err.Hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return err
}

// A Search collects the names of all missing images, for one error.
type Search struct {
	first   error
	missing MissingError
}

// Note adds the image of a [MissingError] to the search and returns nil. It returns any
// other error.
func (s *Search) Note(err error) error {
	var one *MissingError
	if !errors.As(err, &one) {
		return err
	}
	if s.first == nil {
		s.first = err
	}
	s.missing.Thing, s.missing.Where = one.Thing, one.Where
	s.missing.Images = append(s.missing.Images, one.Images...)
	return nil
}

// Err returns the error for all missing images, or nil.
func (s *Search) Err() error {
	if len(s.missing.Images) < 2 {
		return s.first
	}
	return &transfer.Error{Kind: transfer.KindEngine, Err: &s.missing}
}
