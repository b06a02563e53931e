package engine

import "context"

// SetOnUpload has f asked about each upload of a push, with the number of blobs
// that the push has handed over; its error refuses the upload.
func (s *Source) SetOnUpload(f func(put int) error) { s.onUpload = f }

// Config asks for the config of the source's only image, by this name.
func (s *Source) Config(ctx context.Context, ref string) ([]byte, error) {
	for _, l := range s.found {
		return s.e.config(ctx, l, ref)
	}
	return nil, nil
}
