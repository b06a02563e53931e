package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// A Received is what became of one of several receivers.
type Received struct {
	To     string
	Report *transfer.Report // nil: nothing was copied
	Took   time.Duration
	Err    error
}

// result says in a word or two what became of a receiver.
func (r *Received) result() string {
	switch code := ExitCode(r.Err); {
	case r.Err == nil && r.Report.DryRun:
		return "asked"
	case r.Err == nil:
		return "arrived"
	case code == ExitEngineHere:
		return "engine here failed"
	case code == ExitEngineThere:
		return "engine failed"
	default:
		return exitKind(code)
	}
}

// Table tells what became of each receiver, a line each, at the end of a run.
func (v *Voice) Table(all []Received) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "receiver\tresult\tsent\talready there\ttime")
	for i := range all {
		r := &all[i]
		sent, there := "-", "-"
		if r.Report != nil && r.Err == nil && !r.Report.DryRun {
			sent, there = Bytes(r.Report.Bytes), Bytes(r.Report.Skipped)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.To, r.result(), sent, there, Duration(r.Took))
	}
	_ = w.Flush() // a builder takes it all
	for line := range strings.Lines(text.String()) {
		v.Sayf("%s", strings.TrimRight(line, " \n"))
	}
}

// A SeveralError is the end of a run with several receivers of which some failed. What they
// failed with has been told.
type SeveralError struct {
	Failed, Of int
	First      error // of the first receiver that failed, in the order of the command line
}

func (e *SeveralError) Error() string {
	if e.Failed == e.Of {
		return fmt.Sprintf("all %d receivers failed", e.Of)
	}
	return fmt.Sprintf("%d of %d receivers failed", e.Failed, e.Of)
}
func (e *SeveralError) Unwrap() error { return e.First }
