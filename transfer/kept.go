package transfer

import "fmt"

// Kept is what a failed copy left in its sink for the next try, of the layers that the
// sink did not have. Bytes is an estimate where the sizes in the offer are.
type Kept struct {
	Layers int   `json:"layers"`
	Of     int   `json:"of"`
	Bytes  int64 `json:"bytes"`
}

func (k Kept) String() string {
	return fmt.Sprintf("%d of %d layers, %s, are kept for the next try", k.Layers, k.Of, megabytes(k.Bytes))
}

// A Keeper is a [Sink] that may keep layers when a copy fails. Kept is asked after
// Close.
type Keeper interface{ Kept() Kept }

// A KeptError is a failure after which the sink keeps something. It reads like Err.
type KeptError struct {
	Err  error
	Kept Kept
}

func (e *KeptError) Error() string { return e.Err.Error() }
func (e *KeptError) Unwrap() error { return e.Err }

// withKept adds to err what dst has kept.
func withKept(err error, dst Sink) error {
	if k, ok := dst.(Keeper); ok && err != nil {
		if kept := k.Kept(); kept.Layers > 0 {
			return &KeptError{err, kept}
		}
	}
	return err
}
