package main

import (
	"context"
	"errors"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
)

// TestEnd checks that a transfer keeps its result when the tidying up fails.
func TestEnd(t *testing.T) {
	left, broken := errors.New("the engine went away"), errors.New("the line broke")
	o := &origin{close: func(context.Context) error { return left }}
	if err := o.end(t.Context(), cli.NewVoice("test"), nil); err != nil {
		t.Errorf("a good transfer ends with %v", err)
	}
	if err := o.end(t.Context(), cli.NewVoice("test"), broken); !errors.Is(err, broken) || !errors.Is(err, left) {
		t.Errorf("a failed one ends with %v", err)
	}
}
