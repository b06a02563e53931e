//go:build !unix || solaris || illumos || aix || netbsd || openbsd

package disk

// Free returns how many bytes the file system that path is on can take, less a
// reserve. That is not known here.
func Free(string) (bytes int64, known bool) { return 0, false }
