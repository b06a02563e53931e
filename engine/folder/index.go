package folder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The lock of a folder's index, and the one that every sink shares as long as it
// writes; the files stay.
const (
	lockFile    = ".imgsend.lock"
	writersFile = ".imgsend.writers"
)

// newPrefix begins the name of a file that is to take another's place. Whoever
// holds the index's lock makes one at a time; any other is a killed program's.
const newPrefix = ".imgsend.new-"

// readIndex reads the index.json of a folder. fs.ErrNotExist is its error where
// there is no layout.
func readIndex(dir string) (ocispec.Index, error) {
	var mark ocispec.ImageLayout
	if err := readJSON(filepath.Join(dir, ocispec.ImageLayoutFile), &mark); err != nil {
		return ocispec.Index{}, err
	}
	if mark.Version != ocispec.ImageLayoutVersion {
		return ocispec.Index{}, transfer.Broken("%s has the layout version %.40q, not %s", dir, mark.Version, ocispec.ImageLayoutVersion)
	}
	index := layout.NewIndex()
	return index, readJSON(filepath.Join(dir, ocispec.ImageIndexFile), &index)
}

func readJSON(name string, v any) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, layout.MaxDocument+1))
	if err != nil {
		return err
	}
	if len(b) > layout.MaxDocument {
		return transfer.Broken("%s is over the limit of %d bytes", name, layout.MaxDocument)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return transfer.Broken("%s: %w", name, err)
	}
	return nil
}

// replace puts a new file in the place of another in one step. The caller holds
// the index's lock.
func replace(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), newPrefix)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone where it succeeded
	_, err = io.Copy(f, bytes.NewReader(b))
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// prepare makes a layout of nothing in the folder, if there is none.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(dir, lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	if err := sweep(dir); err != nil {
		return err
	}
	_, err = readIndex(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := empty(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, ocispec.ImageBlobsDir), 0o777); err != nil {
		return err
	}
	index := filepath.Join(dir, ocispec.ImageIndexFile)
	if _, err := os.Stat(index); errors.Is(err, fs.ErrNotExist) {
		if err := replace(index, layout.NewIndex()); err != nil {
			return err
		}
	}
	return replace(filepath.Join(dir, ocispec.ImageLayoutFile), ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
}

// sweep removes files that a killed program did not come to put in the place of
// others. The caller holds the index's lock.
func sweep(dir string) error {
	list, err := os.ReadDir(dir)
	for _, e := range list {
		if strings.HasPrefix(e.Name(), newPrefix) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// empty refuses a folder that is something else.
func empty(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		switch e.Name() {
		case lockFile, writersFile, ocispec.ImageIndexFile, ocispec.ImageBlobsDir:
		default:
			return &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is not an OCI image layout, and not empty: it has %s", dir, e.Name()),
				Hint: "name a folder that does not exist yet"}
		}
	}
	return nil
}

// blobs are those of a folder.
type blobs string

func (b blobs) path(d digest.Digest) string {
	return filepath.Join(string(b), filepath.FromSlash(layout.BlobPath(d)))
}

func (b blobs) Size(d digest.Digest) (int64, bool) {
	if d.Validate() != nil {
		return 0, false
	}
	in, err := os.Stat(b.path(d))
	if err != nil || !in.Mode().IsRegular() {
		return 0, false
	}
	return in.Size(), true
}

func (b blobs) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	return os.Open(b.path(d))
}
