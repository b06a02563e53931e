package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A message is what an engine says while it loads or pushes.
type message struct {
	Stream     string // text for the screen
	ID, Status string // of a layer: the first 12 digits of its DiffID
}

// readAnswer reads the JSON messages with which an engine answers a load or a
// push, to their end, and returns the failure that they report under HTTP 200.
// Each message is passed to said, if that is not nil.
func readAnswer(r io.Reader, said func(message)) error {
	dec := json.NewDecoder(r)
	var first error
	for {
		var msg struct {
			message
			Error       string
			ErrorDetail struct{ Message string }
		}
		if err := dec.Decode(&msg); err == io.EOF {
			return first
		} else if err != nil {
			return errors.Join(first, fmt.Errorf("read the engine's answer: %w", err))
		}
		if msg.ErrorDetail.Message != "" {
			msg.Error = msg.ErrorDetail.Message
		}
		if msg.Error != "" && first == nil {
			first = errors.New(msg.Error)
		}
		if said != nil {
			said(msg.message)
		}
	}
}
