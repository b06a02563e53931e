package store

import "fmt"

// A MissingError says that a store has no image of that name or ID.
type MissingError struct {
	Image string // as it was asked for
	Where string // the store
}

func (e *MissingError) Error() string { return fmt.Sprintf("no image %s in %s", e.Image, e.Where) }
