package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/term"
)

// A Voice is how a program speaks. What it says to people goes to stderr,
// prefixed with its name: lower case, no full stop at the end. Results go to
// stdout, or with JSON one object a line there.
type Voice struct {
	Program string
	Waiting string // the program that waits on the other host, in hints
	Quiet   bool   // errors and results only
	Verbose bool   // details too
	JSON    bool

	to string // the receiver that it speaks of, of several; empty: all that is said is of one
	*speaker
}

// A speaker is where voices speak to. Those of several receivers have one.
type speaker struct {
	mu       sync.Mutex
	started  bool // the first event is out
	out, err io.Writer
	terminal bool // err is one that takes a carriage return
	screen   screen
	meters   []*Meter // that run, but for those of several receivers; the last one has the screen
}

// NewVoice returns the voice of a program on this process's stdout and stderr.
func NewVoice(program string) *Voice {
	fd := int(os.Stderr.Fd())
	return &Voice{Program: program, Waiting: "imgrecv", speaker: &speaker{out: os.Stdout, err: os.Stderr, terminal: term.IsTerminal(fd) && os.Getenv("TERM") != "dumb",
		screen: screen{w: os.Stderr, width: func() int { return columns(fd) }, wraps: wraps(), controls: controls()}}}
}

// Of returns the voice that speaks of one of several receivers: its lines begin with the
// receiver, its results end with it, its events have it as their member to.
func (v *Voice) Of(receiver string) *Voice {
	of := *v
	of.to = receiver
	return &of
}

// name is what lines begin with.
func (v *Voice) name() string {
	if v.to == "" {
		return v.Program
	}
	return v.Program + ": " + v.to
}

// columns returns how wide a terminal is now.
func columns(fd int) int {
	if width, _, err := term.GetSize(fd); err == nil && width > 0 {
		return width
	}
	return 80
}

// Terminal reports whether people watch: stderr is a terminal.
func (v *Voice) Terminal() bool { return v.terminal }

// addMeter gives the screen to a meter, until another one is added or this one is
// removed.
func (v *Voice) addMeter(m *Meter) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.to == "" {
		v.meters = append(v.meters, m)
	}
}

// removeMeter takes its line away.
func (v *Voice) removeMeter(m *Meter) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.meters = slices.DeleteFunc(v.meters, func(other *Meter) bool { return other == m })
	v.screen.clear()
	v.screen.removeRow(v.to)
}

// paint shows a line, which the next one, or any other word, replaces, if its meter has
// the screen. Each of several receivers has a row of it.
func (v *Voice) paint(m *Meter, line string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.to != "":
		v.screen.showRow(v.to, line)
	case v.meters[len(v.meters)-1] == m:
		v.screen.show(line)
	}
}

// Sayf tells people what happens.
func (v *Voice) Sayf(format string, args ...any) {
	if v.Quiet || v.JSON {
		return
	}
	v.line(fmt.Sprintf(format, args...))
}

// Detailf tells people who want to know.
func (v *Voice) Detailf(format string, args ...any) {
	if v.Verbose {
		v.Sayf(format, args...)
	}
}

// Warnf tells people what they should know, even when quiet.
func (v *Voice) Warnf(format string, args ...any) {
	v.line(fmt.Sprintf(format, args...))
}

// Warn tells people what they should know, even when quiet, and scripts with a word for it,
// one of warnings.
func (v *Voice) Warn(code, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	v.line("warning: " + message)
	v.Event(WarningEvent{Event: "warning", Code: code, Message: message})
}

// Note is Warn for what nothing is wrong with: what the images are.
func (v *Voice) Note(code, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	v.line("note: " + message)
	v.Event(WarningEvent{Event: "warning", Code: code, Message: message})
}

func (v *Voice) line(s string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.screen.clear()
	fmt.Fprintf(v.err, "%s: %s\n", v.name(), s)
}

// Ask asks on the terminal, without a line end.
func (v *Voice) Ask(question string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.screen.clear()
	fmt.Fprintf(v.err, "%s: %s ", v.name(), question)
}

// EndLine ends the line of a question that nobody has answered.
func (v *Voice) EndLine() {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintln(v.err)
}

// Result prints one result for scripts: the name, or "-" without one, and ID; of several
// receivers, which one has it, too.
func (v *Voice) Result(ref, id string) {
	if v.JSON {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.screen.clear()
	if v.to != "" {
		id += " " + v.to
	}
	fmt.Fprintf(v.out, "%s %s\n", ref, id)
}

// NoResults keeps results and answers off stdout, which is for something else.
func (v *Voice) NoResults() { v.out = io.Discard }

// Print prints lines to stdout that are the answer to what was asked.
func (v *Voice) Print(format string, args ...any) {
	if v.JSON {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.screen.clear()
	fmt.Fprintf(v.out, format, args...)
}

// Event prints one JSON object, if JSON is asked for. A StartEvent comes before the first.
func (v *Voice) Event(e any) {
	if !v.JSON {
		return
	}
	if v.to != "" {
		e = addressed(e, v.to)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.started {
		v.started = true
		v.object(StartEvent{Event: "start", Version: EventVersion, Program: v.Program, Release: Version()})
	}
	v.object(e)
}

// object prints one JSON object. The caller holds mu.
func (v *Voice) object(e any) {
	b, err := json.Marshal(e)
	if err != nil {
		panic("cli: internal error: " + err.Error()) // plain structs
	}
	fmt.Fprintf(v.out, "%s\n", b)
}

// Fail reports err, with a way out where there is one, and returns its exit
// status.
func (v *Voice) Fail(err error) int {
	code := ExitCode(err)
	msg, hint := err.Error(), Hint(err, v.Waiting)
	if code == ExitInterrupted {
		msg, hint = "interrupted", ""
	}
	v.line("error: " + msg)
	if hint != "" {
		v.line("hint: " + hint)
	}
	e := ErrorEvent{Event: "error", Code: code, Kind: exitKind(code), Side: errorSide(err), Message: msg, Hint: hint}
	several := (*SeveralError)(nil)
	if k := (*transfer.KeptError)(nil); errors.As(err, &k) && !errors.As(err, &several) {
		e.Kept = &k.Kept
	}
	v.Event(e)
	return code
}

// OpenPort says how to let a firewall pass what goes to the TCP port of an address, or
// nothing if it has none.
func OpenPort(a ma.Multiaddr) string {
	if a == nil {
		return ""
	}
	port, err := a.ValueForProtocol(ma.P_TCP)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("open TCP port %s there, as with: ufw allow %[1]s/tcp", port)
}

// Hint returns the way out of an error, or "". waiting is the program that waits on the
// other host.
func Hint(err error, waiting string) string {
	var te *transfer.Error
	var de *peer.DialError
	var missing *NotFoundError
	var unresolved *net.DNSError
	if several := (*SeveralError)(nil); errors.As(err, &several) {
		return "" // it has been told
	}
	if errors.As(err, &te) && te.Hint != "" {
		return te.Hint
	}
	switch {
	case errors.As(err, &missing):
		return missing.Hint
	case errors.Is(err, peer.ErrBadCode):
		return waiting + " shows the code: a number and two words, such as " + peer.CodeForm
	case errors.Is(err, peer.ErrSelf):
		return "two programs of one user on one host have one identity: start the one that waits on a terminal, which asks, or with --yes, or give it another IMGSEND_HOME"
	case errors.Is(err, peer.ErrBadTarget):
		return waiting + " shows a code and its address: " + peer.TargetForm
	case errors.Is(err, peer.ErrCodeUsed):
		return waiting + " shows another code by now. If it still shows this one, another host answered in its place: " +
			"do not use this code again, end it there and start it again, and give its address with the new code"
	case errors.Is(err, peer.ErrNoCode):
		return waiting + " there shows no code, or one with another number: read it once more, or start it there with --code"
	case errors.Is(err, peer.ErrWrongCode), errors.Is(err, peer.ErrCodeExpired):
		return waiting + " shows another code by now; one code is good for one try"
	case errors.As(err, &unresolved):
		return "give its IP address, or the code alone, which finds a host on the local network"
	case errors.As(err, &de) && de.Kind == peer.ErrUnreachable && OpenPort(de.Target.Addr) != "":
		return "is " + waiting + " running there, at that address? If it is, " + OpenPort(de.Target.Addr)
	case errors.Is(err, peer.ErrUnreachable):
		return "is " + waiting + " running there, at that address, and does a firewall let its port through?"
	case errors.Is(err, peer.ErrWrongKey):
		return "the host there has a new identity, or this is another host: somebody may be in between. " +
			"If you know why, --forget the peer and meet it by a code again"
	case errors.As(err, &de) && de.Kind == peer.ErrRefused:
		return "start " + waiting + " there on a terminal and use its code, or with --allow " + de.Self.String() + ", which is this host; if it is saved there, --grant with its name gives it the right"
	case errors.Is(err, peer.ErrBusy):
		return "it is busy with other transfers; try again in a while"
	case errors.Is(err, peer.ErrVersion):
		return "use the same release on both hosts"
	case ExitCode(err) == ExitBroken:
		return "nothing has a name that is not whole; it is safe to repeat"
	}
	return ""
}
