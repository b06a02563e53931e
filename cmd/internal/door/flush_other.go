//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package door

import "os"

// flushInput does nothing, because this system has no such call. A line typed before the first
// question may answer it.
func flushInput(*os.File) {}
