package transfer_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A putter is a BlobWriter of one function.
type putter func(r io.Reader) error

func (p putter) Put(_ context.Context, _ ocispec.Descriptor, r io.Reader) error { return p(r) }

func TestErrorWriter(t *testing.T) {
	full, torn := errors.New("disk full"), errors.New("torn")
	for _, test := range []struct {
		name string
		err  error // of the second blob, where its reader does not fail
		r    io.Reader
		want error
	}{
		{"sound", nil, strings.NewReader("a layer"), nil},
		{"sink fails", full, strings.NewReader("a layer"), full},
		{"blob breaks", nil, iotest.ErrReader(torn), torn},
	} {
		t.Run(test.name, func(t *testing.T) {
			puts := 0
			w := &transfer.ErrorWriter{W: putter(func(r io.Reader) error {
				if puts++; puts == 2 && test.err != nil {
					return test.err
				}
				_, err := io.Copy(io.Discard, r)
				return err
			})}
			put := func(r io.Reader) error { return w.Put(t.Context(), ocispec.Descriptor{}, r) }
			if err := put(strings.NewReader("another")); err != nil || w.Err != nil {
				t.Fatalf("first blob: %v, kept %v", err, w.Err)
			}
			if err := put(test.r); err != test.want || w.Err != test.want {
				t.Errorf("second blob: %v, kept %v", err, w.Err)
			}
			if err := put(strings.NewReader("one more")); err != test.want || w.Err != test.want {
				t.Errorf("third blob: %v, kept %v", err, w.Err)
			}
			if want := map[bool]int{true: 3, false: 2}[test.want == nil]; puts != want {
				t.Errorf("%d blobs put, want %d", puts, want)
			}
		})
	}
}
