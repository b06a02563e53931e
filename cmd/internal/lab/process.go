package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// A Process is a running command. It does not outlive this program.
type Process struct {
	cmd    *exec.Cmd
	name   string
	stderr *tail
	done   chan struct{}
	err    error // valid after done
}

// Command prepares a command, the arguments given as parts. Its process is
// killed when ctx is done.
func Command(ctx context.Context, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Start starts a prepared command; name is for error messages.
func Start(cmd *exec.Cmd, name string) (*Process, error) {
	p := &Process{cmd: cmd, name: name, stderr: &tail{}, done: make(chan struct{})}
	cmd.Stderr = p.stderr
	tie(cmd)
	started := make(chan error, 1)
	go func() {
		// The kernel ties the child to the thread that starts it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// Done returns a channel that is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stderr returns the end of what the process has written to its stderr.
func (p *Process) Stderr() string { return p.stderr.String() }

// Wait waits for the end and says how it failed.
func (p *Process) Wait() error {
	<-p.done
	if p.err == nil {
		return nil
	}
	if text := strings.TrimSpace(p.stderr.String()); text != "" {
		return fmt.Errorf("%s: %w: %s", p.name, p.err, text)
	}
	return fmt.Errorf("%s: %w", p.name, p.err)
}

// Signal sends a signal. It fails if the process has ended.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// ExitCode returns the exit status, once the process has ended, or -1 if a signal ended
// it.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Kill ends the process and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails if it has ended, which is as well
	<-p.done
}

// Peak returns the process's peak resident set, once it has ended.
func (p *Process) Peak() int64 { return peakOf(p.cmd.ProcessState) }

// CPU returns the processor time that the process took, once it has ended.
func (p *Process) CPU() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// Output runs a helper command and returns its stdout.
func Output(ctx context.Context, argv ...string) (string, error) {
	cmd := Command(ctx, argv...)
	out := &tail{}
	cmd.Stdout = out
	p, err := Start(cmd, strings.Join(append([]string{filepath.Base(argv[0])}, argv[1:]...), " "))
	if err != nil {
		return "", err
	}
	err = p.Wait()
	return out.String(), errors.Join(err, ctx.Err())
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - tailSize; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// OneLine makes text fit into a line of a report.
func OneLine(s string) string {
	const limit = 400
	s = strings.Join(strings.Fields(s), " ")
	return s[:min(len(s), limit)]
}
