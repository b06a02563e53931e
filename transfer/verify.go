package transfer

import (
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A verifier passes a blob through and holds back its last EOF until size and
// digest are right.
type verifier struct {
	r    io.Reader
	desc ocispec.Descriptor
	sum  digest.Verifier
	left int64
	done bool
	// stored says whose fault it is that the digest is wrong; nil: that is not known.
	stored StoredBlob
	err    error // why the blob is not what it should be
}

// verify returns a reader of the blob desc in r. Its Read fails with
// [KindBroken] when r is longer or shorter than desc.Size or does not have its
// digest, so a blob that was read to io.EOF is the blob that was asked for.
func verify(r io.Reader, desc ocispec.Descriptor) (*verifier, error) {
	if err := desc.Digest.Validate(); err != nil {
		return nil, Broken("blob %.80q: %w", desc.Digest, err)
	}
	if desc.Size < 0 {
		return nil, Broken("blob %s of %d bytes", desc.Digest, desc.Size)
	}
	return &verifier{r: r, desc: desc, sum: desc.Digest.Verifier(), left: desc.Size}, nil
}

func (v *verifier) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	if v.done {
		return 0, io.EOF
	}
	n, err := v.read(p)
	if err != nil && err != io.EOF {
		v.err = err
	}
	return n, err
}

func (v *verifier) read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.left -= int64(n)
	if v.left < 0 {
		return 0, Broken("blob %s is longer than its %d bytes", v.desc.Digest, v.desc.Size)
	}
	if n > 0 {
		// A digest.Verifier is a hash and never fails to write.
		_, _ = v.sum.Write(p[:n])
	}
	switch err {
	case io.ErrUnexpectedEOF:
		// Not to be taken for the end of a blob by io.ReadFull further on.
		return n, Broken("blob %s ends %d bytes early", v.desc.Digest, v.left)
	case io.EOF:
		if v.left > 0 {
			return n, Broken("blob %s ends %d bytes early", v.desc.Digest, v.left)
		}
		if !v.sum.Verified() {
			if v.stored != nil {
				return n, v.stored.Damaged()
			}
			return n, Broken("blob %s has another digest than it should", v.desc.Digest)
		}
		v.done = true
	}
	return n, err
}

// finish reports whether the blob was read to its verified end, reading what
// may be left of it.
func (v *verifier) finish() error {
	if v.done {
		return nil
	}
	if _, err := io.Copy(io.Discard, v); err != nil {
		return err
	}
	if !v.done {
		return fmt.Errorf("blob %s was not read to its end", v.desc.Digest)
	}
	return nil
}
