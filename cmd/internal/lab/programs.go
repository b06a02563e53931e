package lab

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"path/filepath"
	"strings"
)

const module = "github.com/imgsend/imgsend"

// Programs are imgsend and imgrecv, built.
type Programs struct {
	Imgsend, Imgrecv string // paths
	Revision         string // "of an unknown revision" where git does not tell
}

// Build builds the programs of the module in the working directory.
func Build(ctx context.Context, folder string) (*Programs, error) {
	dir, err := Output(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return nil, fmt.Errorf("find the sources of imgsend; run this in its checkout: %w", err)
	}
	p := &Programs{Imgsend: filepath.Join(folder, "imgsend"), Imgrecv: filepath.Join(folder, "imgrecv")}
	for _, path := range []string{p.Imgsend, p.Imgrecv} {
		args := []string{"go", "build", "-C", strings.TrimSpace(dir), "-o", path}
		pkg := "./cmd/" + filepath.Base(path)
		_, err := Output(ctx, append(args, pkg)...)
		if err != nil && strings.Contains(err.Error(), "-buildvcs=false") {
			// Git does not trust a checkout that belongs to another user.
			_, err = Output(ctx, append(args, "-buildvcs=false", pkg)...)
		}
		if err != nil {
			return nil, err
		}
	}
	p.Revision = revision(p.Imgsend)
	return p, nil
}

// revision returns the revision that a program was built from.
func revision(path string) string {
	const unknown = "of an unknown revision"
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return unknown
	}
	var rev, modified string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			rev = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				modified = ", modified"
			}
		}
	}
	if rev == "" {
		return unknown
	}
	return rev + modified
}
