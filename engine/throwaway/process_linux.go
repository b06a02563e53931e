package throwaway

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// process is the first process of a new PID and mount namespace. The kernel
// kills it when this process ends, and with it everything in its namespace.
type process struct {
	pid  int
	proc *os.Process
	done chan struct{} // closed when it has ended
	err  error         // valid after done
}

// startProcess starts cmd in new namespaces. The mount namespace is a copy of
// mounts, or of this process's own if that is nil. The network namespace is
// netns if that is not empty.
func startProcess(cmd *exec.Cmd, mounts *os.File, netns string) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true, // an interrupt typed at the terminal is for our user alone
	}
	p := &process{done: make(chan struct{})}
	started := make(chan error, 1)
	go onOwnThread(func() {
		defer close(p.done)
		if err := enterNetNS(netns); err != nil {
			started <- err
			return
		}
		if err := enterMountNS(mounts); err != nil {
			started <- err
			return
		}
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.pid, p.proc = cmd.Process.Pid, cmd.Process
		started <- nil
		p.err = cmd.Wait()
	})
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// onOwnThread runs f on a thread of its own that ends when f returns. Two
// things need it: the kernel sends the parent death signal when the thread
// that started the child ends, not the process; and a thread that has entered
// another namespace must not be used for anything else.
func onOwnThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		f() // the thread stays locked, so that the runtime ends it
		return
	}
	// The main thread cannot end and stands for the process in /proc/self.
	// While it is locked here another goroutine gets another thread.
	defer runtime.UnlockOSThread()
	done := make(chan struct{})
	go func() {
		defer close(done)
		onOwnThread(f)
	}()
	<-done
}

func enterNetNS(name string) error {
	if name == "" {
		return nil
	}
	f, err := os.Open("/run/netns/" + name)
	if err != nil {
		return fmt.Errorf("network namespace %s: %w", name, err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", name, err)
	}
	return nil
}

func (p *process) signal(s syscall.Signal) error { return p.proc.Signal(s) }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// result says how the process ended. It is valid after done.
func (p *process) result() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}
