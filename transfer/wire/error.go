package wire

import (
	"errors"
	"fmt"

	"github.com/imgsend/imgsend/transfer"
)

// errClosed ends what is still under way when an end of a stream is closed.
var errClosed = errors.New("stream closed")

func broken(format string, args ...any) error {
	return &transfer.Error{Kind: transfer.KindBroken, Err: fmt.Errorf(format, args...)}
}
