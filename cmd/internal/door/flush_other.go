//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package door

import "os"

// flushInput does nothing: this system has no call for it. A line that was typed
// before a question may answer the first one.
func flushInput(*os.File) {}
