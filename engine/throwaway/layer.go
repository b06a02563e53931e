package throwaway

import (
	"archive/tar"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
)

// LayerKind says what a layer's files contain.
type LayerKind int

// What a layer's files are made of.
const (
	Random LayerKind = iota // does not compress
	Text                    // compresses about 2.5 to 3 times, as a Debian layer
)

// String returns "random" or "text".
func (k LayerKind) String() string {
	if k == Text {
		return "text"
	}
	return "random"
}

// Layer is a layer to make. Equal values make equal layers, and images share
// layers by having equal values.
type Layer struct {
	Size  int64  // bytes of content
	Seed  uint64 // layers of different seeds have different content and paths
	Kind  LayerKind
	Files int // how many files the content is spread over; 0 means 1

	File File // if it has a path: the layer's only file, instead of generated ones
}

// File is a file to put into a layer as it is.
type File struct {
	Path    string // without a leading slash, such as "sleep"; at most 100 bytes
	Content string
	Mode    int64 // permission bits
}

// String describes the layer, uniquely.
func (l Layer) String() string {
	l = l.normal()
	if l.File.Path != "" {
		return fmt.Sprintf("file %s, mode %o, %s", l.File.Path, l.File.Mode, digestOf([]byte(l.File.Content)))
	}
	return fmt.Sprintf("%s seed %d, %d bytes in %d files", l.Kind, l.Seed, l.Size, l.Files)
}

func (l Layer) normal() Layer {
	if l.File.Path != "" {
		return Layer{File: l.File}
	}
	l.Size, l.Files = max(l.Size, 0), max(l.Files, 1)
	return l
}

// filesPerFolder bounds the files of one folder, as real systems do.
const filesPerFolder = 1000

// TarSize returns the size of the layer's tar file, without making it.
func (l Layer) TarSize() int64 {
	var n int64
	_ = l.entries(func(h *tar.Header) error {
		n += 512 + (h.Size+511)/512*512
		return nil
	})
	return n + 1024
}

// entries calls f for each member of the layer's tar file. Every header takes
// one block.
func (l Layer) entries(f func(*tar.Header) error) error {
	l = l.normal()
	mtime := time.Unix(1700000000, 0)
	if l.File.Path != "" {
		return f(&tar.Header{Format: tar.FormatGNU, Typeflag: tar.TypeReg, Name: l.File.Path, Mode: l.File.Mode,
			ModTime: mtime, Size: int64(len(l.File.Content))})
	}
	folder := func(name string) error {
		return f(&tar.Header{Format: tar.FormatGNU, Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: mtime})
	}
	if err := folder("data/"); err != nil {
		return err
	}
	top := fmt.Sprintf("data/%016x/", l.Seed)
	if err := folder(top); err != nil {
		return err
	}
	for i := range l.Files {
		sub := fmt.Sprintf("%s%04d/", top, i/filesPerFolder)
		if i%filesPerFolder == 0 {
			if err := folder(sub); err != nil {
				return err
			}
		}
		size := l.Size / int64(l.Files)
		if i == 0 {
			size += l.Size % int64(l.Files)
		}
		err := f(&tar.Header{Format: tar.FormatGNU, Typeflag: tar.TypeReg, Name: fmt.Sprintf("%sf%07d", sub, i),
			Mode: 0o644, ModTime: mtime, Size: size})
		if err != nil {
			return err
		}
	}
	return nil
}

// WriteTar writes the layer as an uncompressed tar file.
func (l Layer) WriteTar(w io.Writer) error {
	sum := digest.Canonical.Digester()
	fill := l.content().fill
	if l.File.Path != "" {
		content := strings.NewReader(l.File.Content)
		fill = func(p []byte) { _, _ = content.Read(p) } // just as long as the header says
	}
	t := tar.NewWriter(io.MultiWriter(sum.Hash(), w))
	buf := make([]byte, 256<<10)
	err := l.entries(func(h *tar.Header) error {
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		for left := h.Size; left > 0; {
			b := buf[:min(left, int64(len(buf)))]
			fill(b)
			if _, err := t.Write(b); err != nil {
				return err
			}
			left -= int64(len(b))
		}
		return nil
	})
	if err == nil {
		err = t.Close()
	}
	if err != nil {
		return fmt.Errorf("write layer (%s): %w", l, err)
	}
	diffIDs.Store(l.normal(), sum.Digest().String())
	return nil
}

// diffIDs has the DiffID of each Layer made so far.
var diffIDs sync.Map

// DiffID returns the digest of the layer's tar file. It makes the layer unless
// this process has made it before.
func (l Layer) DiffID() string {
	if id, ok := diffIDs.Load(l.normal()); ok {
		return id.(string)
	}
	_ = l.WriteTar(io.Discard) // which cannot fail
	id, _ := diffIDs.Load(l.normal())
	return id.(string)
}
