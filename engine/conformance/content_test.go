package conformance_test

import (
	"archive/tar"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// Names of 255 bytes, which is the most that file systems take.
var (
	longName = strings.Repeat("n", 255)
	wideName = strings.Repeat("日", 85)
)

// capability is a file's security.capability: cap_net_bind_service, effective
// and permitted.
const capability = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// content returns a picture with everything that a file system can hold, and
// with a large config.
func content(t *testing.T) picture {
	t.Helper()
	setuid := file("setuid", 9)
	setuid.Mode, setuid.Uid, setuid.Gid = 0o4755, 1234, 100_000
	device := func(name string, kind byte, major, minor int64) *tar.Header {
		h := special(name, kind)
		h.Devmajor, h.Devminor = major, minor
		return h
	}
	link := func(name string, kind byte, to string) *tar.Header {
		h := special(name, kind)
		h.Linkname = to
		return h
	}
	xattr := file("xattr", 1)
	xattr.PAXRecords = map[string]string{"SCHILY.xattr.user.who": "us", "SCHILY.xattr.security.capability": capability}
	return picture{ref: "content:1", labels: map[string]string{"large": strings.Repeat("x", 512<<10)}, layers: []layer{
		layerOf(t,
			folderAt("links/"), file("links/a", 3), link("links/b", tar.TypeLink, "links/a"), link("links/c", tar.TypeLink, "links/a"),
			file("links/old", 5), link("links/hard", tar.TypeLink, "links/old"), link("links/soft", tar.TypeSymlink, "../nowhere"),
			folderAt("gone/"), file("gone/file", 1), folderAt("gone/folder/"), file("gone/folder/below", 1), file("gone/not", 2),
			folderAt("opaque/"), file("opaque/below", 1), folderAt("opaque/folder/"), file("opaque/folder/below", 1),
			folderAt("node/"), device("node/char", tar.TypeChar, 1, 5), device("node/block", tar.TypeBlock, 7, 300), special("node/pipe", tar.TypeFifo),
			setuid, xattr, file("Grüße ✓ 日本", 6), file(longName, 7), file(wideName, 8), file("empty", 0),
		),
		layerOf(t), // empty
		layerOf(t,
			folderAt("gone/"), special("gone/.wh.file", tar.TypeReg), special("gone/.wh.folder", tar.TypeReg),
			folderAt("opaque/"), special("opaque/.wh..wh..opq", tar.TypeReg), file("opaque/above", 1),
			folderAt("links/"), file("links/old", 4),
		),
	}}
}

// checkContent checks that a file system is that of [content].
func checkContent(t *testing.T, got tree) {
	t.Helper()
	for name, size := range map[string]int64{
		"links/a": 3, "links/old": 4, "links/hard": 5, "gone/not": 2, "opaque/above": 1, "setuid": 9, "xattr": 1,
		"Grüße ✓ 日本": 6, longName: 7, wideName: 8, "empty": 0,
	} {
		n := at(t, got, name, tar.TypeReg)
		if n.Size != size || n.sum != digest.FromString(strings.Repeat("f", int(size))) {
			t.Errorf("%s has %d bytes, %s", name, n.Size, n.sum)
		}
		if n.ModTime.Unix() != changed.Unix() {
			t.Errorf("%s is of %v", name, n.ModTime)
		}
	}
	for _, name := range []string{"gone/file", "gone/folder", "gone/folder/below", "opaque/below", "opaque/folder", "opaque/folder/below"} {
		if got[name] != nil {
			t.Errorf("%s is back", name)
		}
	}
	for name := range got {
		if strings.Contains(name, "/.wh.") {
			t.Errorf("%s is left of a whiteout", name)
		}
	}
	if got["links/a"] != got["links/b"] || got["links/a"] != got["links/c"] {
		t.Error("hard links are three files")
	}
	if n := at(t, got, "links/soft", tar.TypeSymlink); n.Linkname != "../nowhere" {
		t.Errorf("symbolic link to %s", n.Linkname)
	}
	if n := at(t, got, "setuid", tar.TypeReg); n.Mode&0o7777 != 0o4755 || n.Uid != 1234 || n.Gid != 100_000 {
		t.Errorf("setuid has mode %o, owner %d:%d", n.Mode, n.Uid, n.Gid)
	}
	if n := at(t, got, "node/char", tar.TypeChar); n.Devmajor != 1 || n.Devminor != 5 {
		t.Errorf("character device %d, %d", n.Devmajor, n.Devminor)
	}
	if n := at(t, got, "node/block", tar.TypeBlock); n.Devmajor != 7 || n.Devminor != 300 {
		t.Errorf("block device %d, %d", n.Devmajor, n.Devminor)
	}
	at(t, got, "node/pipe", tar.TypeFifo)
	if c := at(t, got, "xattr", tar.TypeReg).PAXRecords["SCHILY.xattr.security.capability"]; c != capability {
		t.Errorf("capability %q", c)
	}
}

// at returns what is at a path, and fails the test unless it is of that kind.
func at(t *testing.T, in tree, name string, kind byte) *node {
	t.Helper()
	n := in[name]
	if n == nil || n.Typeflag != kind {
		t.Errorf("%s is missing or not of the kind %c: %+v", name, kind, n)
		return &node{Header: &tar.Header{}}
	}
	return n
}
