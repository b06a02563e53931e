package conformance_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// bigSize is more than 32 bits can count.
const bigSize = 4<<30 + 1

// TestBigFile takes a file of more than 4 GiB through a file and a folder over
// streams, and into a containerd store and out of it again. In the stores of the
// other kinds that takes more than a minute each, which is too long for here.
func TestBigFile(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 4 GiB several times")
	}
	p, sum := big(t)
	made := writeArchive(t, p)
	t.Run("folder", func(t *testing.T) {
		store, out := folderEnd(filepath.Join(t.TempDir(), "store")), newFile(t)
		for _, pair := range [][2]end{{made, store}, {store, out}} {
			if _, err := transfertest.Copy(t, pair[0].source(t, p.ref), pair[1].sink(t), transfer.Options{}); err != nil {
				t.Fatal(err)
			}
			check(t, pair[1], p)
		}
		checkBig(t, out.files(t, p.ref), sum)
	})
	t.Run("containerd", func(t *testing.T) {
		spec := newestContainerd(t)
		spec.Data = throwaway.OnDisk // as large as it is, packed and unpacked
		e := startEngine(t, spec)
		if _, err := transfer.Copy(t.Context(), made.source(t, p.ref), e.sink(t), transfer.Options{}); err != nil {
			t.Fatal(err)
		}
		check(t, e, p)
		checkBig(t, e.files(t, p.ref), sum)
		out := &measurer{}
		if _, err := transfer.Copy(t.Context(), e.source(t, p.ref), out, transfer.Options{}); err != nil {
			t.Fatal(err)
		}
		if len(out.layers) != 1 || out.diffIDs[out.layers[0].Digest] != p.layers[0].diffID {
			t.Errorf("layers %v with the DiffIDs %v came out", out.layers, out.diffIDs)
		}
	})
}

// big returns a picture with one file, and the digest of that file: zeros with
// marks at its start, after 2 GiB and at its end.
func big(t *testing.T) (p picture, content digest.Digest) {
	t.Helper()
	const mark, half = "mark", 2 << 30
	var header, blob bytes.Buffer
	if err := tar.NewWriter(&header).WriteHeader(file("big", bigSize)); err != nil {
		t.Fatal(err)
	}
	tarSum, fileSum := digest.Canonical.Digester(), digest.Canonical.Digester()
	in := io.MultiWriter(tarSum.Hash(), fileSum.Hash())
	z := members{blob: &blob}
	z.write(t, tarSum.Hash(), header.Bytes())
	z.write(t, in, []byte(mark))
	z.zeros(t, in, half-len(mark))
	z.write(t, in, []byte(mark))
	z.zeros(t, in, bigSize-half-2*len(mark))
	z.write(t, in, []byte(mark))
	z.zeros(t, tarSum.Hash(), 511+1024) // to a whole block, and the end of the tar
	return picture{ref: "big:1", layers: []layer{{tarSum.Digest(), blob.Bytes()}}}, fileSum.Digest()
}

// members is a gzip file of many members, so that a block of zeros has to be
// compressed only once.
type members struct {
	blob   *bytes.Buffer
	block  []byte // of zeros
	packed []byte // the block as a member
}

// write adds a member, and writes its content to a digest.
func (m *members) write(t *testing.T, sum io.Writer, b []byte) {
	t.Helper()
	z := gzip.NewWriter(m.blob)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	_, _ = sum.Write(b) // a digest takes everything
}

// zeros adds so many zeros.
func (m *members) zeros(t *testing.T, sum io.Writer, n int) {
	t.Helper()
	if m.block == nil {
		m.block = make([]byte, 64<<20)
		start := m.blob.Len()
		m.write(t, io.Discard, m.block)
		m.packed = bytes.Clone(m.blob.Bytes()[start:])
		m.blob.Truncate(start)
	}
	for ; n >= len(m.block); n -= len(m.block) {
		m.blob.Write(m.packed)
		_, _ = sum.Write(m.block)
	}
	m.write(t, sum, m.block[:n])
}

func checkBig(t *testing.T, got tree, sum digest.Digest) {
	t.Helper()
	if n := at(t, got, "big", tar.TypeReg); n.Size != bigSize || n.sum != sum {
		t.Errorf("the file has %d bytes, %s, not %d, %s", n.Size, n.sum, bigSize, sum)
	}
}

// newestContainerd returns the newest engine with a containerd store.
func newestContainerd(t *testing.T) throwaway.Spec {
	t.Helper()
	specs := slices.DeleteFunc(throwawaytest.Specs(t), func(s throwaway.Spec) bool { return !s.Containerd })
	if len(specs) == 0 {
		t.Skip("no engine has a containerd store here")
	}
	return slices.MaxFunc(specs, func(a, b throwaway.Spec) int { return version(t, a) - version(t, b) })
}

// version returns a number that is larger the newer an engine is.
func version(t *testing.T, s throwaway.Spec) int {
	t.Helper()
	var major, minor int
	_, numbers, _ := strings.Cut(s.Name, "-")
	if _, err := fmt.Sscanf(numbers, "%d.%d", &major, &minor); err != nil {
		t.Fatalf("version of %s: %v", s.Name, err)
	}
	return major<<16 + minor
}

// A measurer is a sink that keeps nothing of its blobs but the DiffIDs.
type measurer struct {
	unpacker
	diffIDs map[digest.Digest]digest.Digest // by the blob's digest
}

func (m *measurer) Put(_ context.Context, d ocispec.Descriptor, r io.Reader) error {
	in := bufio.NewReader(r)
	head, _ := in.Peek(4)
	var content io.Reader = in
	if layout.Sniff(head) == ocispec.MediaTypeImageLayerGzip {
		z, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		content = z
	}
	sum := digest.Canonical.Digester()
	if _, err := io.Copy(sum.Hash(), content); err != nil {
		return err
	}
	if m.diffIDs == nil {
		m.diffIDs = map[digest.Digest]digest.Digest{}
	}
	m.diffIDs[d.Digest] = sum.Digest()
	return nil
}
