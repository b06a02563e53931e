package state

import (
	"io/fs"
	"os"
)

// hasPermissions reports whether the system has permission bits to judge by.
const hasPermissions = false

// openNow opens a file to read it.
func openNow(path string) (*os.File, error) { return os.Open(path) }

// checkOwner accepts everything: there is no owner to judge by.
func checkOwner(string, fs.FileInfo) error { return nil }
