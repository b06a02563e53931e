package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

const (
	// CodeLife is how long a code is good for.
	CodeLife = 10 * time.Minute

	// pairTimeout bounds a handshake, in which no people take part.
	pairTimeout = 20 * time.Second
)

// PairingConfig says with which code a host can be met, and under what name.
type PairingConfig struct {
	// Code is what the other side must know.
	Code Code
	// Name is what this host calls itself, see [CleanName].
	Name string
	// Life is how long the code is good for; zero is [CodeLife].
	Life time.Duration
	// Paired, if set, is called with whoever proved to know the code, before the
	// other side is told that it worked: the place to save it. An error breaks
	// the pairing off on both sides. It should return within seconds.
	Paired func(Paired) error
}

// Pairing is a code that is out. It ends by the first use of the code, right
// or wrong, when its time is over, or by Cancel.
type Pairing struct {
	host    *Host
	config  PairingConfig
	started time.Time
	expiry  *time.Timer
	done    chan struct{}

	mu     sync.Mutex
	busy   bool // somebody is trying
	spent  bool // nobody may try any more
	ended  bool // done is closed
	result Paired
	err    error
}

// Pair puts a code out: until the [Pairing] ends, one stranger at a time may
// connect, and may open nothing but a pairing stream, whatever the policy. One
// code can be out at a time.
func (h *Host) Pair(config PairingConfig) (*Pairing, error) {
	if config.Code.IsZero() {
		return nil, errors.New("pair without a code")
	}
	if err := CheckName(config.Name); err != nil {
		return nil, fmt.Errorf("pair: %w", err)
	}
	if config.Life == 0 {
		config.Life = CodeLife
	}
	p := &Pairing{host: h, config: config, started: time.Now(), done: make(chan struct{})}
	if !h.gate.offer(p) {
		return nil, errors.New("a code is out already")
	}
	p.mu.Lock()
	p.expiry = time.AfterFunc(config.Life, func() { p.end(Paired{}, ErrCodeExpired) })
	p.mu.Unlock()
	select {
	case <-h.closed:
		p.end(Paired{}, net.ErrClosed)
	default:
	}
	return p, nil
}

// Done returns a channel that is closed when the pairing has ended.
func (p *Pairing) Done() <-chan struct{} { return p.done }

// Wait returns who was paired, or why nobody was: [ErrWrongCode],
// [ErrCodeExpired], [ErrPairing], the error of PairingConfig.Paired, wrapped, or
// that of ctx, which does not end the pairing.
func (p *Pairing) Wait(ctx context.Context) (Paired, error) {
	select {
	case <-p.done:
		return p.result, p.err
	case <-ctx.Done():
		return Paired{}, context.Cause(ctx)
	}
}

// Cancel takes the code back, unless the pairing has ended.
func (p *Pairing) Cancel() { p.end(Paired{}, context.Canceled) }

// end ends the pairing, once.
func (p *Pairing) end(result Paired, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.ended, p.spent = true, true
	p.result, p.err = result, err
	if p.expiry != nil {
		p.expiry.Stop()
	}
	p.host.gate.withdraw(p)
	close(p.done)
}

// expired goes by the clock of the system and by the one that nobody sets: the
// latter stands still while a laptop sleeps.
func (p *Pairing) expired() bool {
	now := time.Now()
	return now.Sub(p.started) >= p.config.Life || now.Round(0).Sub(p.started.Round(0)) >= p.config.Life
}

// begin takes the code for one try, or returns the reason for a refusal.
func (p *Pairing) begin() byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.spent:
		return refuseNone
	case p.expired():
		return refuseExpired
	case p.busy:
		return refuseBusy
	}
	p.busy = true
	return 0
}

// spend uses the code up. It returns false if that happened before: then the
// try does not count, right or wrong.
func (p *Pairing) spend() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spent || p.expired() {
		return false
	}
	p.spent = true
	p.expiry.Stop()
	return true
}

func (p *Pairing) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = false
}

// servePair runs a pairing stream.
func (h *Host) servePair(s network.Stream) {
	stream := &Stream{stream: s}
	if s.SetDeadline(time.Now().Add(pairTimeout)) != nil {
		_ = stream.Reset()
		return
	}
	t := newTalk(stream, h.way.pair, stream.Peer(), h.ID(), true)
	p := h.gate.offered()
	if p == nil {
		t.refuse(refuseNone)
	} else {
		p.serve(t, stream)
	}
	stream.Close()
}

func (t *talk) refuse(reason byte) { _ = t.send(kindRefusal, []byte{reason}) }

// serve runs one try. Until the dialer has sent its proof it has learned
// nothing, and nothing is used up; then the code is, and there is an outcome.
func (p *Pairing) serve(t *talk, stream *Stream) {
	if reason := p.begin(); reason != 0 {
		t.refuse(reason)
		return
	}
	defer p.release()
	if err := t.receiveOpen(); err != nil {
		return
	}
	if t.number != p.config.Code.Number() {
		t.refuse(refuseNone)
		return
	}
	if t.sendHello() != nil || t.exchange(p.config.Code) != nil {
		return
	}
	_, err := t.receiveProof(kindDialerConfirm, 0)
	if err != nil && !errors.Is(err, ErrWrongCode) {
		return
	}
	if !p.spend() {
		t.refuse(refuseExpired)
		return
	}
	if err != nil {
		p.end(Paired{}, err)
		t.refuse(refuseWrong)
		return
	}
	p.finish(t, stream)
}

// finish goes on with a dialer that knows the code.
func (p *Pairing) finish(t *talk, stream *Stream) {
	err := t.sendProof(kindListenerConfirm, []byte(p.config.Name))
	if err != nil {
		p.end(Paired{}, err)
		return
	}
	name, err := t.receiveName(kindDialerName)
	if err != nil {
		p.end(Paired{}, err)
		return
	}
	met := Paired{ID: stream.Peer(), Name: name, Addr: stream.RemoteAddr()}
	if p.config.Paired != nil {
		if err := p.config.Paired(met); err != nil {
			p.end(Paired{}, fmt.Errorf("save %s: %w", name, err))
			t.refuse(refuseSave)
			return
		}
	}
	p.end(met, nil)
	// The peer is in. Should this not arrive, it finds out when it comes back.
	_ = t.sendProof(kindDone, nil)
}

// ErrTooManyGuesses means that one code after the other was tried wrongly.
var ErrTooManyGuesses = errors.New("too many wrong codes")

const (
	// maxWrongCodes is how many codes may be used up by wrong guesses.
	maxWrongCodes = 5

	// firstPause is how long to wait before a new code after a wrong guess. It
	// doubles each time.
	firstPause = 2 * time.Second
)

// Invitation says how to be met.
type Invitation struct {
	// Name is what this host calls itself, see [CleanName].
	Name string
	// Show is called with each code as it comes out, and withdrawn with why it
	// is of no use any more: [ErrWrongCode], [ErrCodeExpired] or [ErrPairing].
	// It is not called for a code that worked. Both run one after the other.
	Show      func(Code)
	Withdrawn func(Code, error)
	// Paired is as in [PairingConfig].
	Paired func(Paired) error
}

// Invite puts out one code after the other until somebody used one rightly, and
// returns who. After a wrong guess it waits a while, longer each time, before
// the next code, and after the fifth returns [ErrTooManyGuesses]. A code that
// expired, or whose pairing broke off, is followed by another at once. When ctx
// ends, so does the code that is out.
func (h *Host) Invite(ctx context.Context, invitation Invitation) (Paired, error) {
	return h.invite(ctx, invitation, firstPause)
}

func (h *Host) invite(ctx context.Context, invitation Invitation, pause time.Duration) (Paired, error) {
	for wrong := 0; ; {
		code, err := NewCode()
		if err != nil {
			return Paired{}, err
		}
		met, err := h.inviteOnce(ctx, code, invitation)
		if err == nil {
			return met, nil
		}
		guessed := errors.Is(err, ErrWrongCode)
		if !guessed && !errors.Is(err, ErrCodeExpired) && !errors.Is(err, ErrPairing) {
			return Paired{}, err
		}
		invitation.Withdrawn(code, err)
		if !guessed {
			continue
		}
		if wrong++; wrong >= maxWrongCodes {
			return Paired{}, fmt.Errorf("%w: %d in a row", ErrTooManyGuesses, wrong)
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return Paired{}, context.Cause(ctx)
		}
	}
}

func (h *Host) inviteOnce(ctx context.Context, code Code, invitation Invitation) (Paired, error) {
	p, err := h.Pair(PairingConfig{Code: code, Name: invitation.Name, Paired: invitation.Paired})
	if err != nil {
		return Paired{}, err
	}
	defer p.Cancel()
	invitation.Show(code)
	return p.Wait(ctx)
}
