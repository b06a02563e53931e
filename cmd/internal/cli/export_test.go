package cli

import (
	"io"

	"github.com/imgsend/imgsend/transfer"
)

// CheckNames is checkNames.
func CheckNames(images []transfer.Image) error { return checkNames(images) }

// NewVoiceTo returns the voice of a program off a terminal that speaks to out and err.
func NewVoiceTo(out, err io.Writer, json bool) *Voice {
	return &Voice{Program: "imgsend", JSON: json, speaker: &speaker{out: out, err: err}}
}

// NewTerminal returns the voice of a program on a terminal that is so wide.
func NewTerminal(err io.Writer, width func() int) *Voice {
	return &Voice{Program: "imgsend", speaker: &speaker{out: io.Discard, err: err, terminal: true, screen: screen{w: err, width: width}}}
}
