package transfer

import "io"

// An ErrorReader passes R through and keeps the error with which it fails, for a
// [BlobWriter] that has to tell a blob that broke from a failure of its own.
type ErrorReader struct {
	R   io.Reader
	Err error // what R failed with; io.EOF is none
}

func (e *ErrorReader) Read(p []byte) (int, error) {
	n, err := e.R.Read(p)
	if err != nil && err != io.EOF {
		e.Err = err
	}
	return n, err
}
