package cli_test

import (
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 2500: "2.5 kB", 99_940: "99.9 kB", 99_960: "100 kB",
		999_600: "1.0 MB", 592_000_000: "592 MB", 6_000_000_000: "6.0 GB", 6_000_000_000_000_000: "6000 TB"} {
		if got := cli.Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
