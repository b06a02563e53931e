package wire_test

import (
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
)

// What the tests of this package copy.
type (
	memImage  = transfertest.Image
	memSource = transfertest.Source
	memSink   = transfertest.Sink
)

var (
	newImage  = transfertest.NewImage
	newSource = transfertest.NewSource
	newSink   = transfertest.NewSink
	random    = transfertest.Random
	text      = transfertest.Text
)

const block = wire.MaxBlock
