package main

import (
	"slices"
	"syscall"
	"time"
)

// Statuses beside exit statuses.
const (
	killed  = "killed"
	waiting = "waiting" // imgrecv still waited for a first sender, and ended when it was told to
)

// An outcome is how imgsend and imgrecv end.
type outcome struct{ send, recv string }

// success is allowed with every fault: it may come too late, or harm nothing.
var success = outcome{"0", "0"}

// A fault is one thing that breaks.
type fault struct {
	name string

	// allowed are the outcomes that are allowed beside success.
	allowed []outcome

	// leaves is set if a temporary name may stay at either host until the next transfer.
	leaves bool

	// retry is the --retry-for of both programs; 0 is longer than the fault lasts.
	retry time.Duration

	onLink bool // the fault is of the link and needs a transfer that has begun
	early  bool // the fault does harm only at the beginning
	timed  bool // the fault lasts as long as planned

	strike strike
}

// shortRetry lets a program end soon after the other one was killed.
const shortRetry = 3 * time.Second

// faults are all faults. "from" is the engine of the sending host, "to" that of the
// receiving host.
//
// An outcome in which imgrecv says 0 and imgsend does not is allowed where the
// programs could not talk at the end: imgrecv says 0 once it has named the image.
var faults = []*fault{
	{name: "kill-send", leaves: true, retry: shortRetry, strike: signalSend(syscall.SIGKILL),
		allowed: []outcome{{killed, "7"}, {killed, "0"}, {killed, waiting}}},
	{name: "term-send", retry: shortRetry, strike: signalSend(syscall.SIGTERM),
		allowed: []outcome{{"130", "7"}, {"130", "0"}, {"130", waiting}}},
	{name: "kill-recv", leaves: true, retry: shortRetry, strike: signalRecv(syscall.SIGKILL),
		allowed: []outcome{{"7", killed}, {"3", killed}, {"0", killed}}},
	{name: "term-recv", retry: shortRetry, strike: signalRecv(syscall.SIGTERM),
		allowed: []outcome{{"7", "130"}, {"3", "130"}}},

	{name: "link", onLink: true, timed: true, strike: cut},
	{name: "link-for-good", onLink: true, retry: shortRetry, strike: cutForGood,
		allowed: []outcome{{"7", "7"}, {"7", "0"}}},

	{name: "kill-from", leaves: true, retry: shortRetry, strike: crash(source), allowed: ownEngine},
	{name: "kill-to", leaves: true, retry: shortRetry, strike: crash(target), allowed: []outcome{{"6", "5"}}},
	{name: "restart-from", leaves: true, retry: shortRetry, strike: restart(source), allowed: ownEngine},
	{name: "restart-to", leaves: true, retry: shortRetry, strike: restart(target), allowed: []outcome{{"6", "5"}}},

	{name: "pause-from", timed: true, strike: pause(source)},
	{name: "pause-to", timed: true, strike: pause(target)},

	{name: "full-from", early: true, retry: shortRetry, strike: fill(source), allowed: ownEngine},
	{name: "full-to", retry: shortRetry, strike: fill(target), allowed: []outcome{{"6", "5"}, {"4", "4"}}},
}

// ownEngine are the outcomes when the engine of imgsend fails, which may be before there
// is an offer.
var ownEngine = []outcome{{"5", "6"}, {"5", waiting}}

func faultNames() []string {
	var names []string
	for _, f := range faults {
		names = append(names, f.name)
	}
	return names
}

// findFault returns the fault of a name that is known to exist.
func findFault(name string) *fault {
	return faults[slices.IndexFunc(faults, func(f *fault) bool { return f.name == name })]
}

// allows says whether the programs may end so.
func (f *fault) allows(o outcome) bool { return o == success || slices.Contains(f.allowed, o) }
