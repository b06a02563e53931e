package cmd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/imgsend/imgsend/cmd/internal/cli/clitest"
	"github.com/rogpeppe/go-internal/testscript"
)

// jobTime bounds what a script waits for.
const jobTime = 60 * time.Second

// A job is a program that a script started.
type job struct {
	cmd      *exec.Cmd
	terminal *os.File // of a job started with tty
	out, err *output
	done     chan struct{}
	result   error
}

type jobsKey struct{}

// output collects what a program writes and wakes who waits for it.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{}
}

func newOutput() *output { return &output{more: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
	return o.buf.Write(p)
}

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.buf.Bytes())
}

func jobs(ts *testscript.TestScript) map[string]*job {
	return ts.Value(jobsKey{}).(map[string]*job)
}

func find(ts *testscript.TestScript, name string) *job {
	j := jobs(ts)[name]
	if j == nil {
		ts.Fatalf("no job %s", name)
	}
	return j
}

func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	if len(args) == 0 {
		ts.Fatalf("no command")
	}
	var path string
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if p := filepath.Join(dir, args[0]); path == "" && executable(p) {
			path = p
		}
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, k := range []string{"PATH", "HOME", "IMGSEND_HOME", "IMGSEND_CODE", "DOCKER_HOST", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "CONTAINERD_ADDRESS", "CONTAINERD_NAMESPACE"} {
		if v := ts.Getenv(k); v != "" {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	return cmd
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

func (j *job) watch() {
	j.done = make(chan struct{})
	go func() {
		defer close(j.done)
		j.result = j.cmd.Wait()
	}()
}

// start NAME COMMAND... starts a program.
func cmdStart(ts *testscript.TestScript, _ bool, args []string) {
	j := &job{cmd: command(ts, args[1:]), out: newOutput(), err: newOutput()}
	j.cmd.Stdout, j.cmd.Stderr = j.out, j.err
	ts.Check(j.cmd.Start())
	j.watch()
	jobs(ts)[args[0]] = j
}

// tty NAME COMMAND... starts a program on a terminal of 80 columns; what it shows
// counts as stdout.
func cmdTTY(ts *testscript.TestScript, _ bool, args []string) {
	j := &job{cmd: command(ts, args[1:]), out: newOutput(), err: newOutput()}
	j.cmd.Env = append(j.cmd.Env, "TERM=xterm")
	f, err := pty.StartWithSize(j.cmd, &pty.Winsize{Rows: 24, Cols: 80})
	ts.Check(err)
	j.terminal = f
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(j.out, f) // ends when the program does
	}()
	j.done = make(chan struct{})
	go func() {
		defer close(j.done)
		j.result = j.cmd.Wait()
		<-read
		_ = f.Close()
	}()
	jobs(ts)[args[0]] = j
}

// await NAME REGEXP [VAR] waits until the program has written what matches, and
// sets VAR to the first group.
func cmdAwait(ts *testscript.TestScript, _ bool, args []string) {
	j := find(ts, args[0])
	re := regexp.MustCompile(args[1])
	deadline := time.After(jobTime)
	for ended := false; ; {
		for _, o := range []*output{j.out, j.err} {
			if m := re.FindSubmatch(o.bytes()); m != nil {
				if len(args) > 2 {
					ts.Setenv(args[2], string(m[1]))
				}
				return
			}
		}
		if ended {
			ts.Fatalf("%s ended without %q\n%s%s", args[0], args[1], j.out.bytes(), j.err.bytes())
		}
		select {
		case <-j.out.more:
		case <-j.err.more:
		case <-j.done:
			ended = true
		case <-deadline:
			ts.Fatalf("%s has not written %q\n%s%s", args[0], args[1], j.out.bytes(), j.err.bytes())
		}
	}
}

// type NAME TEXT types a line.
func cmdType(ts *testscript.TestScript, _ bool, args []string) {
	_, err := find(ts, args[0]).terminal.WriteString(args[1] + "\n")
	ts.Check(err)
}

// signal NAME INT|TERM|KILL
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	sig := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[args[1]]
	ts.Check(find(ts, args[0]).cmd.Process.Signal(sig))
}

// openEvents opens the schema of what --json prints.
var openEvents = sync.OnceValues(func() (*clitest.Events, error) {
	return clitest.OpenEvents("internal/cli/events.schema.json")
})

// finish NAME STATUS waits for the end of a program, checks its exit status (-1:
// killed) and, with --json, what it printed, and leaves what it wrote in NAME.out and
// NAME.err.
func cmdFinish(ts *testscript.TestScript, _ bool, args []string) {
	j := find(ts, args[0])
	select {
	case <-j.done:
	case <-time.After(jobTime):
		ts.Fatalf("%s does not end\n%s%s", args[0], j.out.bytes(), j.err.bytes())
	}
	delete(jobs(ts), args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), j.out.bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), j.err.bytes(), 0o600))
	ts.Logf("[%s]\n%s%s", args[0], j.out.bytes(), j.err.bytes())
	if slices.Contains(j.cmd.Args, "--json") && j.terminal == nil {
		events, err := openEvents()
		ts.Check(err)
		ts.Check(events.Check(j.out.bytes()))
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	var exit *exec.ExitError
	if j.result != nil && !errors.As(j.result, &exit) {
		ts.Fatalf("%s: %v", args[0], j.result)
	}
	if got := j.cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("%s ended with status %d, not %d", args[0], got, want)
	}
}

// run STATUS COMMAND... runs a program to its end; its output is in run.out and
// run.err.
func cmdRun(ts *testscript.TestScript, _ bool, args []string) {
	cmdStart(ts, false, append([]string{"run"}, args[1:]...))
	cmdFinish(ts, false, []string{"run", args[0]})
}

// cmdline NAME REGEXP checks the command line that the system shows of a program.
func cmdCmdline(ts *testscript.TestScript, neg bool, args []string) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", find(ts, args[0]).cmd.Process.Pid))
	ts.Check(err)
	if regexp.MustCompile(args[1]).Match(b) == neg {
		ts.Fatalf("the command line is %q", b)
	}
}

// killJobs ends what a script left running.
func killJobs(e *testscript.Env) {
	for _, j := range e.Values[jobsKey{}].(map[string]*job) {
		_ = j.cmd.Process.Kill()
		<-j.done
	}
}
