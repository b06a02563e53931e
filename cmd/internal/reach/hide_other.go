//go:build !linux

package reach

// HideArgument does nothing: on this system os.Args is a copy of the command line, or its
// memory may be read-only.
func HideArgument(string) {}
