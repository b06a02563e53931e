package cmd_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/peer"
	"github.com/rogpeppe/go-internal/testscript"
)

// scriptsTime bounds all scripts together.
const scriptsTime = 10 * time.Minute

// TestScripts runs the scripts of testdata. They have two engines, $ENGINE_A to
// send from and $ENGINE_B to receive in, shared by all scripts: each makes images
// of its own, with names that start with $IMAGE.
func TestScripts(t *testing.T) {
	readSources(t)
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin+"/", "./imgsend", "./imgrecv").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	pair := &pair{}
	t.Cleanup(pair.stop)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(scriptsTime),
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("BIN", bin)
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("IMGSEND_HOME", filepath.Join(e.WorkDir, "state"))
			// A program that gets further than the script means it to must not reach
			// this machine's engine.
			e.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
			e.Setenv("IMAGE", "cmd-"+strings.TrimPrefix(filepath.Base(e.WorkDir), "script-"))
			e.Values[jobsKey{}] = map[string]*job{}
			e.Values[floodKey{}] = &flood{}
			e.Values[decoysKey{}] = new([]*peer.Pairing)
			e.Values[provenKey{}] = new(chan struct{})
			e.Values[ownKey{}] = new(*throwaway.Engine)
			e.Values[holdKey{}] = new(*holder)
			e.Values[relayKey{}] = new(*relay)
			e.Values[nativesKey{}] = map[string]*throwaway.Engine{}
			e.Defer(func() { killJobs(e) })
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "engines":
				return pair.start(t) == nil, nil
			case "native":
				return hasNative(), nil
			case "lan": // a network of our own
				return os.Getenv("IMGSEND_TEST_INSIDE") != "", nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"engines":   func(ts *testscript.TestScript, _ bool, _ []string) { pair.use(t, ts) },
			"image":     func(ts *testscript.TestScript, _ bool, args []string) { pair.image(ts, args) },
			"container": func(ts *testscript.TestScript, _ bool, args []string) { pair.container(ts, args) },
			"state":     func(ts *testscript.TestScript, _ bool, args []string) { pair.state(ts, args) },
			"settings":  func(ts *testscript.TestScript, _ bool, args []string) { pair.settings(ts, args) },
			"has":       func(ts *testscript.TestScript, neg bool, args []string) { pair.has(ts, neg, args) },
			"clean":     func(ts *testscript.TestScript, _ bool, _ []string) { pair.clean(ts) },
			"hold":      func(ts *testscript.TestScript, _ bool, args []string) { pair.hold(ts, args) },
			"held":      func(ts *testscript.TestScript, _ bool, _ []string) { cmdHeld(ts) },
			"release":   func(ts *testscript.TestScript, _ bool, _ []string) { cmdRelease(ts) },
			"relay":     func(ts *testscript.TestScript, _ bool, args []string) { cmdRelay(ts, args) },
			"line":      func(ts *testscript.TestScript, _ bool, args []string) { cmdLine(ts, args) },
			"native":    cmdNative,
			"ctr":       cmdCtr,
			"run":       cmdRun,
			"start":     cmdStart,
			"tty":       cmdTTY,
			"await":     cmdAwait,
			"type":      cmdType,
			"signal":    cmdSignal,
			"finish":    cmdFinish,
			"cmdline":   cmdCmdline,
			"engine":    func(ts *testscript.TestScript, _ bool, args []string) { pair.own(ts, args) },
			"archive":   cmdArchive,
			"stalled":   func(ts *testscript.TestScript, _ bool, args []string) { cmdStalled(t, ts, args) },
			"closed":    cmdClosed,
			"proven":    cmdProven,
			"decoys":    func(ts *testscript.TestScript, _ bool, args []string) { cmdDecoys(t, ts, args) },
			"guessed":   cmdGuessed,
			"flood":     cmdFlood,
			"flooded":   cmdFlooded,
			"restart":   func(ts *testscript.TestScript, _ bool, args []string) { restart(ts, args) },
		},
	})
}

// readSources reads what the programs are built of. The go command only repeats a
// test whose inputs have changed, and does not see what go build reads.
func readSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".go" {
			_, err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A pair is the two engines of the scripts, started when the first needs them.
type pair struct {
	once sync.Once
	a, b *throwaway.Engine
	err  error
}

func (p *pair) start(t *testing.T) error {
	p.once.Do(func() {
		specs, skipped := throwaway.Available("")
		if len(specs) == 0 {
			p.err = fmt.Errorf("no engine can be started here: %v", skipped)
			if os.Getenv("IMGSEND_MATRIX") == "required" {
				t.Error(p.err)
			}
			return
		}
		if p.a, p.err = throwaway.Start(t.Context(), specs[0]); p.err == nil {
			p.b, p.err = throwaway.Start(t.Context(), specs[0])
		}
	})
	return p.err
}

func (p *pair) stop() {
	for _, e := range []*throwaway.Engine{p.a, p.b} {
		if e != nil {
			_ = e.Stop()
		}
	}
}

// use gives a script the engines, or skips it.
func (p *pair) use(t *testing.T, ts *testscript.TestScript) {
	if err := p.start(t); err != nil {
		ts.Logf("%v", err)
		// testscript has no skip for commands: the condition [!engines] comes first.
		ts.Fatalf("put \"[!engines] skip\" before engines: %v", err)
	}
	ts.Setenv("ENGINE_A", p.a.Host())
	ts.Setenv("ENGINE_B", p.b.Host())
}
