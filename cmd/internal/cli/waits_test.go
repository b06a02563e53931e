package cli_test

import (
	"errors"
	"testing"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/transfer"
)

func TestWaits(t *testing.T) {
	for _, test := range []struct {
		args  []string
		retry time.Duration
		p     transfer.Patience
		given bool
	}{
		{nil, 10 * time.Minute, transfer.Patience{Bytes: 5 * time.Minute, Work: 10 * time.Minute}, false},
		{[]string{"--retry-for=0", "--stall-timeout=2s", "--engine-timeout=3h"}, 0, transfer.Patience{Bytes: 2 * time.Second, Work: 3 * time.Hour}, true},
	} {
		var w cli.Waits
		g := cli.NewGroup("Line")
		w.Define(g, "wait for `TIME`")
		if err := g.Parse(test.args); err != nil {
			t.Fatal(err)
		}
		retry, p, err := w.Parse()
		if err != nil || retry != test.retry || p != test.p || w.RetryGiven() != test.given {
			t.Errorf("%q: %s, %+v, given %v, %v", test.args, retry, p, w.RetryGiven(), err)
		}
	}
	for _, arg := range []string{"--retry-for=", "--retry-for=-1s", "--stall-timeout=0", "--engine-timeout=10"} {
		var w cli.Waits
		g := cli.NewGroup("Line")
		w.Define(g, "wait for `TIME`")
		if err := g.Parse([]string{arg}); err != nil {
			t.Fatal(err)
		}
		var usage *cli.UsageError
		if _, _, err := w.Parse(); !errors.As(err, &usage) {
			t.Errorf("%s: %v", arg, err)
		}
	}
}
