package folder

import (
	"path/filepath"

	"github.com/imgsend/imgsend/engine/internal/disk"
)

// Free returns how many bytes of images there is room for in the folder dir, less
// a reserve, and whether that is known. The folder need not exist yet.
func Free(dir string) (bytes int64, known bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return 0, false
	}
	for {
		if bytes, known = disk.Free(dir); known || dir == filepath.Dir(dir) {
			return bytes, known
		}
		dir = filepath.Dir(dir)
	}
}
