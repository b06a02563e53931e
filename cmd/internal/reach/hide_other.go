//go:build !linux

package reach

// HideArgument does nothing: os.Args are a copy of the command line here, or may
// not be writable.
func HideArgument(string) {}
