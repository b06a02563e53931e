//go:build !linux

package archive

import (
	"errors"
	"io/fs"
	"os"
)

// openNameless returns nil: there are no files without a name here.
func openNameless(string, fs.FileMode) *os.File { return nil }

func linkNameless(*os.File, string) error { return errors.ErrUnsupported }
