package engine

// SetOnUpload has f asked about each upload of a push, with the number of blobs
// that the push has handed over; its error refuses the upload.
func (s *Source) SetOnUpload(f func(put int) error) { s.onUpload = f }
