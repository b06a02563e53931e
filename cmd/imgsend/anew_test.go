package main

import "testing"

// TestRepeats tells what can be sent once more from what is gone, or is another thing by
// then.
func TestRepeats(t *testing.T) {
	for name, test := range map[string]struct {
		j    job
		want bool
	}{
		"image":     {job{}, true},
		"archive":   {job{input: "images.tar"}, true},
		"pipe":      {job{input: "-"}, false},
		"container": {job{containers: &containerJob{}}, false},
	} {
		if test.j.repeats() != test.want {
			t.Errorf("%s: %v", name, !test.want)
		}
	}
}
