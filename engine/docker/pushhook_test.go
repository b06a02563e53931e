package docker

import (
	"context"
	"time"
)

// SetOnUpload has f asked about each upload of a push, with the number of blobs
// that the push has handed over; its error refuses the upload.
func (s *Source) SetOnUpload(f func(put int) error) { s.onUpload = f }

// SetIdleTime has an engine that hands over nothing for so long taken for stuck.
func (s *Source) SetIdleTime(d time.Duration) { s.idleTime = d }

// SetPushFloor has layers pushed also where less of the image is not wanted.
func (s *Source) SetPushFloor(n int64) { s.pushFloor = n }

// Config asks for the config of the source's only image, by this name.
func (s *Source) Config(ctx context.Context, ref string) ([]byte, error) {
	for _, l := range s.found {
		return s.e.askConfig(ctx, l, ref)
	}
	return nil, nil
}
