package main

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/reach"
	"github.com/imgsend/imgsend/transfer"
)

const fullAddress = "/ip4/192.168.1.20/tcp/7420/p2p/12D3KooWPbAS3CcrMQ1xVgc9BPsA7NFXS4Yjvgj9tJaCJFNBvuRg"

// TestDestinations names several receivers, each once.
func TestDestinations(t *testing.T) {
	t.Setenv(reach.CodeVariable, "")
	for _, test := range []struct {
		to, want []string // no want: a mistake
		text     string
	}{
		{[]string{"box1"}, []string{"box1"}, ""},
		{[]string{"box1", "box2@10.0.0.2", fullAddress}, []string{"box1", "box2@10.0.0.2:7420", "192.168.1.20:7420"}, ""},
		{[]string{"box1", "box2", "box1"}, nil, "--to box1 is given more than once"},
		{[]string{fullAddress, "192.168.1.20"}, nil, "--to 192.168.1.20:7420 is given more than once"},
		{[]string{"7-crystal-tulip", "7-crystal-tulip"}, nil, "--to 7-*-* is given more than once"},
		{[]string{"box1", ""}, nil, "one of several --to names no peer"},
		{[]string{"-", "box1", "-"}, nil, "--to - is for one of several receivers"},
	} {
		targets, err := destinations(t.Context(), cli.NewVoice("test"), test.to)
		var got []string
		for _, target := range targets {
			got = append(got, receiver(target))
		}
		usage := (*cli.UsageError)(nil)
		switch {
		case test.want != nil && (err != nil || !slices.Equal(got, test.want)):
			t.Errorf("%q: %q, %v, want %q", test.to, got, err, test.want)
		case test.want == nil && (!errors.As(err, &usage) || err.Error() != test.text):
			t.Errorf("%q: %v, want %q", test.to, err, test.text)
		}
	}
}

// TestConclude has the status of the first receiver that failed, and keeps a container's
// image if one of them has it.
func TestConclude(t *testing.T) {
	refused := &transfer.Error{Kind: transfer.KindRefused, Err: errors.New("no")}
	broken := &transfer.Error{Kind: transfer.KindBroken, Err: errors.New("gone")}
	good, dry := &transfer.Report{Images: 1}, &transfer.Report{DryRun: true}
	for name, test := range map[string]struct {
		all  []cli.Received
		want int
		kept int
	}{
		"all":    {[]cli.Received{{Report: good}, {Report: good}}, cli.ExitOK, 1},
		"some":   {[]cli.Received{{Report: good}, {Err: broken}, {Report: &transfer.Report{}, Err: refused}}, cli.ExitBroken, 1},
		"none":   {[]cli.Received{{Err: refused}, {Err: broken}}, cli.ExitRefused, 0},
		"dry":    {[]cli.Received{{Report: dry}, {Report: dry}}, cli.ExitOK, 0},
		"no one": {[]cli.Received{{Report: dry}, {Err: broken}}, cli.ExitBroken, 0},
	} {
		v, kept := cli.NewVoice("test"), 0
		v.Quiet = true
		from := &origin{sent: func(context.Context) error { kept++; return nil }}
		if err := conclude(t.Context(), v, from, test.all); cli.ExitCode(err) != test.want || kept != test.kept {
			t.Errorf("%s: %v, kept %d times", name, err, kept)
		}
	}
}
