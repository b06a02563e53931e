package cli

import "testing"

func TestStep(t *testing.T) {
	for made, want := range map[string]string{
		"/bin/sh -c #(nop) ADD file:0 in / ":         "ADD file:0 in /",
		"/bin/sh -c apt-get update":                  "apt-get update",
		"RUN /bin/sh -c make\n\t install # buildkit": "RUN /bin/sh -c make install",
		"COPY a\x1b[2J b":                            "COPY a [2J b",
		"":                                           "",
	} {
		if got := step(made); got != want {
			t.Errorf("%q became %q", made, got)
		}
	}
}
