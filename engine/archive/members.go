package archive

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Limits of the list of members. An image archive has a few members a layer, and
// short names.
const (
	maxMembers = 1 << 16
	maxName    = 512
	maxLinks   = 16 // from link to link
)

// A member is a file of the archive, or a link to one.
type member struct {
	at, size int64
	link     string // the name it stands for
}

type members struct {
	r       io.ReaderAt
	spool   *os.File // nil where the archive is read where it lies
	byName  map[string]member
	blobs   map[digest.Digest]member
	rootFS  bool            // it has the folders of a root file system
	image   bool            // it has members that only image archives have
	nonZero bool            // it has any member
	cut     error           // it has no end mark
	folder  *string         // the folder that all files are in; nil before the first
	layouts map[string]bool // folders with an oci-layout, or a manifest.json of Docker's
	escape  string
	end     int64                    // of the tar, with what is behind it
	packed  map[digest.Digest]packed // layers by DiffID that are decompressed on the way
}

func newMembers(r io.ReaderAt) *members {
	return &members{r: r, byName: map[string]member{}, blobs: map[digest.Digest]member{}, layouts: map[string]bool{}, packed: map[digest.Digest]packed{}}
}

func (m *members) close() {
	if m.spool != nil {
		_ = m.spool.Close() // nothing to keep
	}
}

// read lists the members of the tar that r reads. at returns how far it has
// been read.
func (m *members) read(ctx context.Context, r io.Reader, at func() (int64, error)) error {
	tr := tar.NewReader(r)
	end := int64(0) // of the last member
	for first := true; ; first = false {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := tr.Next()
		pos, aerr := at()
		if aerr != nil {
			return aerr
		}
		if err == io.EOF {
			if pos < end+512 {
				m.cut = transfer.Broken("%w: it has no end mark", errEarly)
			}
			return nil
		}
		if err != nil {
			return tarError(err, first)
		}
		m.nonZero = true
		end = pos + (h.Size+511)&^511
		if h.Typeflag != tar.TypeReg {
			end = pos
		}
		if err := m.add(h, pos); err != nil {
			return err
		}
	}
}

func tarError(err error, first bool) error {
	switch {
	case transfer.KindOf(err) != transfer.KindOther:
		return err
	case errors.Is(err, tar.ErrHeader) && first:
		return transfer.Broken("this is not a tar archive, nor one compressed with gzip, zstd, bzip2 or xz")
	case errors.Is(err, io.ErrUnexpectedEOF) && first:
		return transfer.Broken("%w, in its first member, or it is not a tar archive", errEarly)
	}
	return transfer.Broken("read the archive: %w", early(err))
}

var (
	rootFolders = regexp.MustCompile(`^(\.dockerenv|bin|boot|dev|etc|home|lib|lib32|lib64|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)(/|$)`)
	imageMember = regexp.MustCompile(`(^|/)(oci-layout|repositories|blobs/sha(256|512)/[0-9a-f]+|[0-9a-f]{64}(/layer\.tar|/json|/VERSION|\.tar|\.json|\.tar\.gz))$`)
	blobMember  = regexp.MustCompile(`^blobs/(sha256|sha512)/([0-9a-f]+)$`)
)

// metadata are the members that are read whole.
var metadata = map[string]bool{ocispec.ImageIndexFile: true, layout.DockerManifestFile: true, ocispec.ImageLayoutFile: true, "repositories": true}

// add notes a member. Of several with one name the last counts, as for tar: so does tar
// --append change an archive.
func (m *members) add(h *tar.Header, at int64) error {
	name := path.Clean(h.Name)
	if name == ".." || strings.HasPrefix(name, "../") || strings.Contains(h.Name, "\x00") {
		return transfer.Broken("the member %.300q leads out of the archive", h.Name)
	}
	if h.Typeflag != tar.TypeDir && h.Typeflag != tar.TypeXGlobalHeader {
		m.within(path.Clean("/" + name))
	}
	if rootFolders.MatchString(strings.TrimPrefix(name, "/")) {
		m.rootFS = true
	}
	m.image = m.image || imageMember.MatchString(name)
	if m.rootFS {
		return nil
	}
	if path.IsAbs(name) {
		return transfer.Broken("the member %.300q leads out of the archive", h.Name)
	}
	e := member{at: at, size: h.Size}
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeSymlink:
		e.link = path.Join(path.Dir(name), h.Linkname)
		if path.IsAbs(h.Linkname) {
			e.link = h.Linkname
		}
	case tar.TypeLink:
		e.link = path.Clean(h.Linkname)
	default:
		return nil
	}
	if e.link != "" && (path.IsAbs(e.link) || e.link == ".." || strings.HasPrefix(e.link, "../")) {
		m.escape = h.Name
		return nil
	}
	if metadata[name] {
		if h.Size > layout.MaxDocument {
			return transfer.Broken("%s of %d bytes is over the limit of %d", name, h.Size, layout.MaxDocument)
		}
	}
	if len(name) > maxName {
		return nil
	}
	if len(m.byName) == maxMembers {
		return transfer.Broken("more than %d members, too many for an archive of images", maxMembers)
	}
	m.byName[name] = e
	if b := blobMember.FindStringSubmatch(name); b != nil {
		if d := digest.NewDigestFromEncoded(digest.Algorithm(b[1]), b[2]); d.Validate() == nil {
			m.blobs[d] = e
		}
	}
	return nil
}

// maxLayouts bounds the folders that are remembered: of more none has all files.
const maxLayouts = 64

// within notes in which folder a file is, by its path from the root.
func (m *members) within(name string) {
	dir, base := path.Split(name) // the folder ends in a slash
	if m.folder == nil {
		m.folder = &dir
	}
	for !strings.HasPrefix(dir, *m.folder) {
		up, _ := path.Split(strings.TrimSuffix(*m.folder, "/"))
		m.folder = &up
	}
	if (base == ocispec.ImageLayoutFile || base == layout.DockerManifestFile) && len(m.layouts) < maxLayouts {
		m.layouts[dir] = true
	}
}

// around returns the folder around an archive of images, or "": the one that has
// an image layout and all files.
func (m *members) around() string {
	if m.folder == nil || *m.folder == "/" || !m.layouts[*m.folder] || !m.image {
		return ""
	}
	return strings.Trim(*m.folder, "/")
}

// file returns the file that a name stands for, following links inside the
// archive.
func (m *members) file(name string) (member, bool) {
	name = path.Clean(name)
	for range maxLinks {
		e, ok := m.byName[name]
		if !ok || e.link == "" {
			return e, ok
		}
		name = e.link
	}
	return member{}, false
}

// whole reads a small file.
func (m *members) whole(name string) ([]byte, error) {
	e, ok := m.file(name)
	if !ok {
		return nil, transfer.Broken("%s is missing from the archive", name)
	}
	if e.size > layout.MaxDocument {
		return nil, transfer.Broken("%s of %d bytes is over the limit of %d", name, e.size, layout.MaxDocument)
	}
	b := make([]byte, e.size)
	if _, err := io.ReadFull(m.open(e), b); err != nil {
		return nil, transfer.Broken("%s: %w", name, early(err))
	}
	return b, nil
}

func (m *members) open(e member) io.Reader { return io.NewSectionReader(m.r, e.at, e.size) }

// Size and Open make the members [layout.Blobs].

func (m *members) Size(d digest.Digest) (int64, bool) {
	if p, ok := m.packed[d]; ok {
		return p.size, true
	}
	e, ok := m.blob(d)
	return e.size, ok
}

func (m *members) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	if p, ok := m.packed[d]; ok {
		z, _, err := decompress(bufio.NewReader(m.open(p.member)))
		return z, err
	}
	e, ok := m.blob(d)
	if !ok {
		return nil, transfer.Broken("blob %s is missing from the archive", d)
	}
	return io.NopCloser(m.open(e)), nil
}

func (m *members) blob(d digest.Digest) (member, bool) {
	e, ok := m.blobs[d]
	if ok && e.link != "" {
		return m.file(e.link)
	}
	return e, ok
}
