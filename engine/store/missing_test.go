package store_test

import (
	"errors"
	"testing"

	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
)

func TestSearch(t *testing.T) {
	var s store.Search
	if err := s.Err(); err != nil {
		t.Errorf("nothing is missing: %v", err)
	}
	other := errors.New("the engine went away")
	if err := s.Note(other); !errors.Is(err, other) {
		t.Errorf("another error became %v", err)
	}
	say := func() (string, string) {
		var te *transfer.Error
		if !errors.As(s.Err(), &te) || te.Kind != transfer.KindEngine {
			t.Fatalf("error %v", s.Err())
		}
		return te.Error(), te.Hint
	}
	for _, step := range []struct{ image, text, hint string }{
		{"webap:1.0", "no image webap:1.0 in Docker", "did you mean webapp:1.0?"},
		{"nginx:1", "no images webap:1.0 and nginx:1 in Docker", ""},
		{"redis", "no images webap:1.0, nginx:1 and redis in Docker", ""},
	} {
		if err := s.Note(store.Missing(step.image, "Docker", []string{"webapp:1.0"})); err != nil {
			t.Fatal(err)
		}
		if text, hint := say(); text != step.text || hint != step.hint {
			t.Errorf("%q, %q", text, hint)
		}
	}
	if err := store.Missing("redis", "Docker", nil); err.Hint != "" {
		t.Errorf("hint %q", err.Hint)
	}
}
