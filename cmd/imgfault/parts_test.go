package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/throwaway"
)

func TestParseOptions(t *testing.T) {
	t.Setenv("IMGSEND_ENGINES", "/srv/engines")
	defaults := options{rounds: 10, first: 1, seed: 1, faults: faultNames(), size: 90_000_000, rate: 200e6, longest: 90 * time.Second, systems: "/srv/engines"}
	with := func(change func(*options)) options {
		o := defaults
		change(&o)
		return o
	}
	for args, want := range map[string]options{
		"":                               defaults,
		"-rounds 60 -seed 7 -first 3 -v": with(func(o *options) { o.rounds, o.seed, o.first, o.verbose = 60, 7, 3, true }),
		"-engines classic-28.5,podman-5.8 -faults term-send": with(func(o *options) {
			o.engines, o.faults = []string{"classic-28.5", "podman-5.8"}, []string{"term-send"}
		}),
		"-size 10MB -rate 1gbit -longest 20s": with(func(o *options) { o.size, o.rate, o.longest = 10e6, 1e9, 20*time.Second }),
	} {
		got, err := parseOptions(strings.Fields(args))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", args, got, err, want)
		}
	}
	for args, want := range map[string]string{
		"webapp":                         "unexpected argument",
		"-rounds 0":                      "-rounds",
		"-first 0":                       "-first",
		"-engines classic-28,native-2.1": "Docker API",
		"-faults fire":                   "-faults",
		"-size 10kB":                     "less than",
		"-rate 1":                        "-rate",
		"-longest 1s":                    "-longest",
	} {
		if _, err := parseOptions(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v does not say %q", args, err, want)
		}
	}
	if _, err := parseOptions([]string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

// The help names every flag and every fault.
func TestUsageIsComplete(t *testing.T) {
	for _, word := range append(faultNames(), "-rounds", "-first", "-seed", "-engines", "-faults", "-size", "-rate", "-longest", "-v ", "-h ") {
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

// The command that is given for a round makes the same plan, whatever was run with it.
func TestRepeat(t *testing.T) {
	o, err := parseOptions(strings.Fields("-rounds 60 -seed 9 -size 12MB -longest 30s -engines a-1,b-2,c-3"))
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 60; n++ {
		words := strings.Fields(o.repeat(n))
		again, err := parseOptions(words[3:])
		if err != nil {
			t.Fatal(err)
		}
		if again.first != n || again.rounds != 1 {
			t.Fatalf("%q runs %d rounds from %d on", words, again.rounds, again.first)
		}
		if a, b := planRound(o, n), planRound(again, n); !reflect.DeepEqual(a, b) {
			t.Fatalf("round %d: %+v and %+v", n, a, b)
		}
	}
}

func TestPlan(t *testing.T) {
	o, err := parseOptions(strings.Fields("-engines a-1,b-2"))
	if err != nil {
		t.Fatal(err)
	}
	pairs, seeds := map[string]bool{}, map[uint64]bool{}
	for cycle := range 10 {
		seen := map[string]bool{}
		for i := range faults {
			p := planRound(o, 1+cycle*len(faults)+i)
			seen[p.fault.name], pairs[p.from+p.to] = true, true
			for _, l := range p.image.Layers[:3] {
				if seeds[l.Seed] {
					t.Errorf("round %d has a layer of another round", p.number)
				}
				seeds[l.Seed] = true
			}
			if p.when < 0 || p.when > 1 || p.fault.onLink && p.when < 0.02 {
				t.Errorf("round %d: %s at %v", p.number, p.fault.name, p.when)
			}
			if p.fault.name == "link" && (p.lasts < shortestCut || p.lasts > o.longest) {
				t.Errorf("round %d: %s for %v", p.number, p.fault.name, p.lasts)
			}
		}
		if len(seen) != len(faults) {
			t.Errorf("cycle %d has only the faults %v", cycle, seen)
		}
	}
	if len(pairs) != 4 {
		t.Errorf("only the pairs %v", pairs)
	}
}

func TestAllows(t *testing.T) {
	f := findFault("term-recv")
	for o, want := range map[outcome]bool{success: true, {"7", "130"}: true, {"0", "130"}: false, {"130", "7"}: false, {"7", killed}: false} {
		if f.allows(o) != want {
			t.Errorf("%v is allowed: %v", o, !want)
		}
	}
}

// An export passes only if each layer is in it as it should be.
func TestCheckArchive(t *testing.T) {
	img := throwaway.Image{Ref: "x:1", Layers: []throwaway.Layer{{Size: 5000, Seed: 1}, {Size: 3000, Seed: 2}}}
	for name, write := range map[string]func(io.Writer, ...throwaway.Image) error{"plain": throwaway.WriteDockerArchive, "gzip": throwaway.WriteOCIArchive} {
		var b bytes.Buffer
		if err := write(&b, img); err != nil {
			t.Fatal(err)
		}
		if err := checkArchive(bytes.NewReader(b.Bytes()), img.DiffIDs()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		other := throwaway.Image{Layers: []throwaway.Layer{img.Layers[0], {Size: 3000, Seed: 3}}}
		if err := checkArchive(bytes.NewReader(b.Bytes()), other.DiffIDs()); err == nil || !strings.Contains(err.Error(), other.DiffIDs()[1]) {
			t.Errorf("%s, without a layer: %v", name, err)
		}
		if err := checkArchive(bytes.NewReader(b.Bytes()[:b.Len()/2]), img.DiffIDs()); err == nil {
			t.Errorf("%s: half an archive passes", name)
		}
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	var z bytes.Buffer
	gzip.NewWriter(&z).Close()
	damaged := z.Bytes()[:z.Len()-1]
	if err := w.WriteHeader(&tar.Header{Name: "l", Typeflag: tar.TypeReg, Size: int64(len(damaged))}); err != nil {
		t.Fatal(err)
	}
	w.Write(damaged)
	w.Close()
	if err := checkArchive(&b, nil); err == nil {
		t.Error("a damaged member passes")
	}
}

func TestPresent(t *testing.T) {
	s := &state{layers: [][]string{{"a"}, {"a", "b", "x"}, {"b", "c"}}}
	for layers, want := range map[string]int{"a b c": 2, "a": 1, "a b x y": 3, "c": 0, "": 0} {
		if got := s.present(strings.Fields(layers)); got != want {
			t.Errorf("%q: %d, want %d", layers, got, want)
		}
	}
}

func TestMark(t *testing.T) {
	m := newMark("offer")
	for _, part := range []string{"{of", "fe\n", "r}\n"} {
		io.WriteString(m, part)
	}
	select {
	case <-m.seen:
		t.Error("seen over two lines")
	default:
	}
	for _, part := range []string{"{of", "fer}", "\noffer\n"} {
		io.WriteString(m, part)
	}
	select {
	case <-m.seen:
	default:
		t.Error("not seen")
	}
}

func TestLeftProcesses(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command("sleep", "60")
	cmd.Env = append(os.Environ(), "IMGSEND_HOME=/nowhere/imgfault-test/home-send")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	left := processesOf("/nowhere/imgfault-test")
	cmd.Process.Kill()
	cmd.Wait()
	if len(left) != 1 || left[0] != "sleep 60" {
		t.Errorf("%q", left)
	}
	if left := leftProcesses(t.Context(), "/nowhere/imgfault-test"); len(left) > 0 {
		t.Errorf("after the end: %q", left)
	}
}

func TestReport(t *testing.T) {
	o, err := parseOptions(strings.Fields("-engines a-1 -seed 4"))
	if err != nil {
		t.Fatal(err)
	}
	good := &round{plan: planRound(o, 1), first: &result{outcome: success}, next: &result{outcome: success}}
	rep := &report{options: o, rounds: []*round{good}}
	if text := rep.markdown(); rep.violated() || !strings.Contains(text, "1 rounds, 0 with violations, seed 4") || !strings.Contains(text, "too late") {
		t.Error(text)
	}
	bad := &round{plan: planRound(o, 2), first: &result{outcome: outcome{"1", killed}, struck: true, said: "imgsend: error: no\n"}}
	bad.foundf("the image %s is half there", "x")
	rep.rounds = append(rep.rounds, bad)
	text := rep.markdown()
	for _, want := range []string{"1, killed", "**1**", "FOUND: the image x is half there", "repeat: go run ./cmd/imgfault -seed 4 -first 2 -rounds 1", "    imgsend: error: no\n", "1 with violations"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if !rep.violated() {
		t.Error("a violation is not reported")
	}
}
