package transfer

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// BenchmarkVerify is the check of size and digest.
func BenchmarkVerify(b *testing.B) {
	const size = 1 << 20
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(data)
	b.SetBytes(size)
	desc := ocispec.Descriptor{Digest: digest.FromBytes(data), Size: size}
	for b.Loop() {
		v, err := verify(bytes.NewReader(data), desc)
		if err == nil {
			err = v.finish()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
