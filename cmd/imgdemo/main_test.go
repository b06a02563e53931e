package main

import (
	"context"
	"testing"
	"time"
)

// TestShow runs the demo between two folders.
func TestShow(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var sides []side
	for _, role := range []string{"sender", "receiver"} {
		s, remove, err := newStore(role)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := remove(); err != nil {
				t.Error(err)
			}
		}()
		sides = append(sides, s)
	}
	if err := show(ctx, sides[0], sides[1]); err != nil {
		t.Error(err)
	}
}
