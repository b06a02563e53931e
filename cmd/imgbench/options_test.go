package main

import (
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/throwaway"
)

func TestParseOptions(t *testing.T) {
	t.Setenv("IMGSEND_ENGINES", "/srv/engines")
	defaults := options{rounds: 3, data: throwaway.OnDisk, size: 600_000_000, scenarios: allScenarios, rivals: allRivals, floors: true, engines: "/srv/engines"}
	with := func(change func(*options)) options {
		o := defaults
		change(&o)
		return o
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		want options
	}{
		{"-rivals none -registry " + program, with(func(o *options) { o.rivals, o.registry = nil, program })},
		{"", defaults},
		{"-v -pulled -floors=false", with(func(o *options) { o.verbose, o.pulled, o.floors = true, true, false })},
		{"-from a -to b --rounds 5", with(func(o *options) { o.from, o.to, o.rounds = "a", "b", 5 })},
		{"-rate 1gbit -size 6GB", with(func(o *options) { o.rate, o.size = 1e9, 6e9 })},
		{"-rate 2.5Mbit", with(func(o *options) { o.rate = 2_500_000 })},
		{"-scenarios nothing,cold", with(func(o *options) { o.scenarios = []scenario{cold, nothing} })},
		{"-rivals ssh+zstd,pipe", with(func(o *options) { o.rivals = []string{"ssh+zstd", "pipe"} })},
		{"-data memory", with(func(o *options) { o.data = throwaway.InMemory })},
		{"-rivals none", with(func(o *options) { o.rivals = nil })},
	} {
		got, err := parseOptions(strings.Fields(tc.args))
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%q: %+v, %v; want %+v", tc.args, got, err, tc.want)
		}
	}
}

func TestParseOptionsRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"webapp":                 "unexpected argument",
		"-rounds 0":              "-rounds",
		"-data ram":              "neither disk nor memory",
		"-rate 1":                "-rate",
		"-rate gbit":             "-rate",
		"-rate 1GB":              "-rate",
		"-rate -1gbit":           "-rate",
		"-size 10":               "-size",
		"-size 10kB":             "less than",
		"-size 1.2.3GB":          "-size",
		"-size 99999999999999GB": "-size",
		"-scenarios warm":        "cold, layer, nothing",
		"-scenarios cold,cold":   "twice",
		"-rivals rsync":          "pipe, pipe+zstd, ssh, ssh+zstd",
		"-rivals ssh,":           "-rivals",
		"-rivals registry":       "pipe, pipe+zstd, ssh, ssh+zstd",
		"-registry /no/registry": "-registry: exec: \"/no/registry\"",
		"-registry /etc/passwd":  "permission denied",
		"-registry /etc":         "is a directory",
		"-port 3":                "not defined",
	} {
		if _, err := parseOptions(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v does not say %q", args, err, want)
		}
	}
	if _, err := parseOptions([]string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

// The help names every flag and every word that a list can have.
func TestUsageIsComplete(t *testing.T) {
	for _, word := range []string{"-from", "-to", "-rate", "-rounds", "-size", "-pulled", "-scenarios", "-rivals", "-registry", "-v ", "-h ",
		strings.Join(names(allScenarios), ","), strings.Join(allRivals, ",")} {
		if !strings.Contains(usage, word) {
			t.Errorf("the help does not name %q", word)
		}
	}
	for line := range strings.Lines(usage) {
		if len(line) > 81 {
			t.Errorf("too long for a terminal: %q", line)
		}
	}
}
