package cmd_test

import (
	"io"
	"net"
	"sync"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/rogpeppe/go-internal/testscript"
)

// A relay passes connections on to an address, until the line is cut: then those that
// are open fall silent, and new ones get no answer, until it is mended.
type relay struct {
	mu    sync.Mutex
	cut   bool
	there string // where new connections go
	mends *sync.Cond
	conns map[net.Conn]bool
}

type relayKey struct{}

// cmdRelay sets a variable to the address at which what listens at another one is
// reached through a relay.
func cmdRelay(ts *testscript.TestScript, args []string) {
	name := args[0]
	there, id := relayTarget(ts, args[1])
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	here, err := manet.FromNetAddr(ln.Addr())
	ts.Check(err)
	r := &relay{conns: map[net.Conn]bool{}, there: there}
	r.mends = sync.NewCond(&r.mu)
	var wg sync.WaitGroup
	ts.Defer(func() {
		_ = ln.Close()
		r.set(false)
		r.mu.Lock()
		for c := range r.conns {
			_ = c.Close()
		}
		r.mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { r.serve(near) })
		}
	})
	*ts.Value(relayKey{}).(**relay) = r
	ts.Setenv(name, here.Encapsulate(ma.Join(id)).String())
}

func (r *relay) serve(near net.Conn) {
	r.keep(near)
	defer near.Close()
	r.wait()
	far, err := net.Dial("tcp", r.target())
	if err != nil {
		return
	}
	r.keep(far)
	defer far.Close()
	var both sync.WaitGroup
	for _, ends := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			defer ends[1].Close()
			_, _ = io.Copy(relayed{r, ends[1]}, ends[0])
		})
	}
	both.Wait()
}

// A relayed writer waits while the line is cut.
type relayed struct {
	r *relay
	w io.Writer
}

func (w relayed) Write(b []byte) (int, error) {
	w.r.wait()
	return w.w.Write(b)
}

func (r *relay) keep(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = true
}

func (r *relay) wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.cut {
		r.mends.Wait()
	}
}

// target returns where a connection goes that is made now.
func (r *relay) target() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.there
}

// turn passes new connections on to another address.
func (r *relay) turn(there string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.there = there
}

func (r *relay) set(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
	r.mends.Broadcast()
}

// relayTarget splits an address into where a connection goes and whom it is for.
func relayTarget(ts *testscript.TestScript, addr string) (there string, id *ma.Component) {
	transport, id := ma.SplitLast(ma.StringCast(addr))
	at, err := manet.ToNetAddr(transport)
	ts.Check(err)
	return at.String(), id
}

// cmdLine cuts the line of the relay, mends it, or has it lead elsewhere from now on.
func cmdLine(ts *testscript.TestScript, args []string) {
	r := *ts.Value(relayKey{}).(**relay)
	switch {
	case len(args) == 2 && args[0] == "to":
		there, _ := relayTarget(ts, args[1])
		r.turn(there)
	case len(args) == 1 && (args[0] == "cut" || args[0] == "mended"):
		r.set(args[0] == "cut")
	default:
		ts.Fatalf("usage: line cut|mended|to ADDR")
	}
}
