package lab

import (
	"context"
	"errors"
	"flag"
	"strings"
	"testing"
)

func TestStatus(t *testing.T) {
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx            context.Context
		err            error
		want           int
		stdout, stderr string
	}{
		"success":     {t.Context(), nil, 0, "", ""},
		"help":        {t.Context(), UsageError(flag.ErrHelp), 0, "Usage: x\n", ""},
		"usage":       {t.Context(), UsageError(errors.New("no such flag")), 2, "", "x: error: no such flag (-h shows how)\n"},
		"no error":    {t.Context(), UsageError(nil), 0, "", ""},
		"failed":      {t.Context(), errors.New("no room"), 1, "", "x: error: no room\n"},
		"reported":    {t.Context(), ErrReported, 1, "", ""},
		"interrupted": {interrupted, context.Canceled, 130, "", "x: interrupted\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Program{Name: "x", Usage: "Usage: x\n"}
			run := func(context.Context, []string) error { return test.err }
			var stdout, stderr strings.Builder
			if got := p.Status(test.ctx, run, nil, &stdout, &stderr); got != test.want {
				t.Errorf("status %d, want %d", got, test.want)
			}
			if stdout.String() != test.stdout || stderr.String() != test.stderr {
				t.Errorf("stdout %q, stderr %q", stdout.String(), stderr.String())
			}
		})
	}
}
