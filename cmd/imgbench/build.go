package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"path/filepath"
	"strings"
)

const module = "github.com/imgsend/imgsend"

// programs are the built programs that are measured.
type programs struct {
	imgsend, imgrecv string // paths
	revision         string // "" if unknown
}

// build builds the programs of the module in the working directory.
func build(ctx context.Context, folder string) (*programs, error) {
	dir, err := output(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return nil, fmt.Errorf("find the sources of imgsend; run imgbench in its checkout: %w", err)
	}
	p := &programs{imgsend: filepath.Join(folder, "imgsend"), imgrecv: filepath.Join(folder, "imgrecv")}
	for _, path := range []string{p.imgsend, p.imgrecv} {
		args := []string{"go", "build", "-C", strings.TrimSpace(dir), "-o", path}
		pkg := "./cmd/" + filepath.Base(path)
		_, err := output(ctx, append(args, pkg)...)
		if err != nil && strings.Contains(err.Error(), "-buildvcs=false") {
			// Git does not trust a checkout that belongs to another user.
			_, err = output(ctx, append(args, "-buildvcs=false", pkg)...)
		}
		if err != nil {
			return nil, err
		}
	}
	p.revision = revision(p.imgsend)
	return p, nil
}

// revision returns the revision that a program was built from, or "".
func revision(path string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return ""
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
		return ""
	}
	return rev + modified
}
