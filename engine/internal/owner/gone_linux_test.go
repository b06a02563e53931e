package owner

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A stranger is a process of this test program that has a tag.
type stranger struct {
	tag string
	end func()
}

// TestStranger is the stranger, when it is started as one.
func TestStranger(t *testing.T) {
	if os.Getenv("IMGSEND_TEST_STRANGER") == "" {
		t.Skip("runs in a process of its own only")
	}
	_, _ = os.Stdout.WriteString("tag " + Tag() + "\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// startStranger starts a stranger, in a PID namespace of its own if flags say so.
func startStranger(t *testing.T, flags uintptr) *stranger {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestStranger$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), "IMGSEND_TEST_STRANGER=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("no process of its own: %v", err)
	}
	s := &stranger{}
	for lines := bufio.NewScanner(out); s.tag == "" && lines.Scan(); {
		s.tag, _ = strings.CutPrefix(lines.Text(), "tag ")
		if s.tag == lines.Text() {
			s.tag = ""
		}
	}
	ended := false
	s.end = func() {
		if !ended {
			ended = true
			_ = in.Close()
			_, _ = io.Copy(io.Discard, out)
			_ = cmd.Wait()
		}
	}
	t.Cleanup(s.end)
	if s.tag == "" {
		t.Fatal("it has told no tag")
	}
	return s
}

func wantGone(t *testing.T, what, tag string, now time.Time, want bool) {
	t.Helper()
	o, ok := Parse(tag)
	if !ok || o.Gone(now) != want {
		t.Errorf("%s: %q is read: %v, gone: %v, not %v", what, tag, ok, o.Gone(now), want)
	}
}

// numbered returns the tag with a process ID over the largest one of Linux.
func numbered(t *testing.T, tag string) string {
	t.Helper()
	o, ok := Parse(tag)
	if !ok {
		t.Fatalf("%q is no tag", tag)
	}
	o.PID = 4194305
	return o.Tag("abcdefgh")
}

// TestOwnerGone asks whether processes are gone, of this PID namespace and of others.
func TestOwnerGone(t *testing.T) {
	now, later := time.Now(), time.Now().Add(LeftoverAge+time.Minute)
	wantGone(t, "this process", Tag(), later, false)

	same := startStranger(t, 0)
	wantGone(t, "a living process", same.tag, later, false)
	same.end()
	wantGone(t, "a dead process", same.tag, now, true)

	boot, ns := Here()
	for what, o := range map[string]Owner{
		"of another boot":       {now.Unix(), "0123456789ab", ns, 1},
		"of an unknown boot":    {now.Unix(), UnknownBoot, ns, 4194305},
		"of no known namespace": {now.Unix(), boot, 0, 4194305}, // over the largest process ID
	} {
		wantGone(t, what, o.Tag("abcdefgh"), now, false)
		wantGone(t, what+", a day later", o.Tag("abcdefgh"), later, true)
	}

	if os.Geteuid() != 0 {
		t.Skip("a PID namespace takes root")
	}
	other := startStranger(t, syscall.CLONE_NEWPID)
	wantGone(t, "a living process in another PID namespace", other.tag, now, false)
	wantGone(t, "one whose number there is nobody's here", numbered(t, other.tag), now, false)
	other.end()
	wantGone(t, "a dead process in another PID namespace", other.tag, now, false)
	wantGone(t, "the same a day later", other.tag, later, true)
}
