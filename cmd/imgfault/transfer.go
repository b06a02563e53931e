package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// A transfer is one run of imgsend and imgrecv.
type transfer struct {
	plan
	link       *lab.Link
	from, to   *throwaway.Engine
	send, recv *lab.Process
	offered    *mark         // imgrecv has an offer
	ended      chan struct{} // closed when both programs have ended

	wireBefore int64
}

// A result is what a transfer came to.
type result struct {
	outcome
	struck bool // the fault came before the end
	wire   int64
	took   time.Duration
	said   string // by both programs
}

const (
	pollEvery = 20 * time.Millisecond
	// meetLimit is how long after imgsend imgrecv may still get an offer.
	meetLimit = 3 * time.Second
	// endLimit is how long both programs may take, beside the times that are
	// theirs by their options.
	endLimit = 2 * time.Minute
)

// transferOnce sends the image of a plan. With a fault it strikes at the planned
// moment and returns when that is over too.
func (t *trial) transferOnce(ctx context.Context, p plan, from, to *throwaway.Engine, f *fault) (*result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	retry := shortRetry
	if f != nil {
		retry = cmp.Or(f.retry, p.lasts+time.Minute)
	}
	x := &transfer{plan: p, link: t.site.Link, from: from, to: to, offered: newMark(`"event":"offer"`), ended: make(chan struct{})}
	var addr string
	var err error
	if x.recv, addr, err = t.site.Runner.Listen(ctx, to, x.offered, "--retry-for", retry.String()); err != nil {
		return nil, err
	}
	if x.wireBefore, err = t.site.Link.Bytes(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	args := append([]string{"--retry-for", retry.String()}, p.source()...)
	if x.send, err = t.site.Runner.Send(ctx, from, addr, nil, args...); err != nil {
		return nil, err
	}
	res := &result{}
	strikes := make(chan error, 1)
	go func() {
		var err error
		if f != nil && x.moment(ctx) {
			res.struck = true
			err = f.strike(ctx, x)
		}
		strikes <- err
	}()
	res.outcome = x.wait(ctx, p.lasts+retry+endLimit)
	res.took = time.Since(began)
	close(x.ended)
	if err := <-strikes; err != nil {
		return nil, fmt.Errorf("strike with %s: %w", f.name, err)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	after, err := t.site.Link.Bytes(ctx)
	res.wire = after - x.wireBefore
	res.said = x.send.Stderr() + x.recv.Stderr()
	return res, err
}

// moment waits for the planned moment. It returns false if a program ends before.
func (x *transfer) moment(ctx context.Context) bool {
	want := int64(x.when * float64(x.image.Size()))
	for {
		now, err := x.link.Bytes(ctx)
		if err != nil {
			return false
		}
		if now-x.wireBefore >= want {
			break
		}
		if !x.running(ctx, pollEvery) {
			return false
		}
	}
	return x.after == 0 || x.running(ctx, x.after)
}

// running waits for a time and returns whether both programs still run.
func (x *transfer) running(ctx context.Context, after time.Duration) bool {
	select {
	case <-x.send.Done():
	case <-x.recv.Done():
	case <-ctx.Done():
	case <-time.After(after):
		return true
	}
	return false
}

// wait waits for the end of both programs. One that does not end within limit is
// killed, and its status says so.
func (x *transfer) wait(ctx context.Context, limit time.Duration) outcome {
	late := time.NewTimer(limit)
	defer late.Stop()
	var o outcome
	select {
	case <-x.send.Done():
		o.send = status(x.send)
	case <-late.C:
		o.send = "does not end"
		x.send.Kill()
		x.recv.Kill()
	case <-ctx.Done():
		<-x.send.Done()
	}
	if o.send != "0" && !x.meets(ctx) {
		// Imgrecv goes on waiting for a sender, as it should.
		_ = x.recv.Signal(syscall.SIGTERM)
		<-x.recv.Done()
		if o.recv = status(x.recv); o.recv == "130" {
			o.recv = waiting
		}
		return o
	}
	select {
	case <-x.recv.Done():
		o.recv = status(x.recv)
	case <-late.C:
		o.recv = "does not end"
		x.recv.Kill()
	case <-ctx.Done():
		<-x.recv.Done()
	}
	return o
}

// meets returns, when imgsend has ended, whether imgrecv got an offer or has ended.
func (x *transfer) meets(ctx context.Context) bool {
	select {
	case <-x.offered.seen:
	case <-x.recv.Done():
	case <-ctx.Done():
	case <-time.After(meetLimit):
		return false
	}
	return true
}

// status returns how a process ended.
func status(p *lab.Process) string {
	if code := p.ExitCode(); code >= 0 {
		return strconv.Itoa(code)
	}
	return killed
}

// A mark is a writer that notices a text in one line.
type mark struct {
	text string
	seen chan struct{} // closed when the text was written

	mu   sync.Mutex
	line []byte
	done bool
}

func newMark(text string) *mark { return &mark{text: text, seen: make(chan struct{})} }

func (m *mark) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range p {
		if b != '\n' {
			m.line = append(m.line, b)
			continue
		}
		if !m.done && bytes.Contains(m.line, []byte(m.text)) {
			m.done = true
			close(m.seen)
		}
		m.line = m.line[:0]
	}
	return len(p), nil
}
