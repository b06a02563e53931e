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
	// CodeLife is the default lifetime of a code.
	CodeLife = 10 * time.Minute

	// pairTimeout limits one handshake, in which no user takes part.
	pairTimeout = 20 * time.Second
)

// PairingConfig configures [Host.Pair].
type PairingConfig struct {
	// Code is the code that the dialer must know.
	Code Code
	// Name is the name of this host, see [CleanName].
	Name string
	// Life is the lifetime of the code. Zero means [CodeLife].
	Life time.Duration
	// Paired, if not nil, is called with the host that proved that it knows the code, before
	// that host is told that the pairing succeeded. It should save the host. If it returns an
	// error, the pairing fails on both sides. It should return within seconds.
	Paired func(Paired) error
}

// Pairing is a code that can be used. It ends at the first use of the code, right or wrong, at
// the end of the code's lifetime, or by Cancel.
type Pairing struct {
	host    *Host
	config  PairingConfig
	started time.Time
	expiry  *time.Timer
	done    chan struct{}

	mu     sync.Mutex
	busy   bool // an attempt is in progress
	spent  bool // no further attempt is allowed
	ended  bool // done is closed
	result Paired
	err    error
}

// Pair makes a code valid. Until the [Pairing] ends, one stranger at a time may connect,
// whatever the policy, and may only open a pairing stream. A host has at most one valid code:
// Pair returns an error if there is one.
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
		return nil, errors.New("a code is already shown")
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

// Wait waits until the pairing ends and returns the paired host, or an error that wraps
// [ErrWrongCode], [ErrCodeExpired], [ErrPairing], or the error of PairingConfig.Paired. It
// returns the cause of ctx if that ends first; the pairing continues then.
func (p *Pairing) Wait(ctx context.Context) (Paired, error) {
	select {
	case <-p.done:
		return p.result, p.err
	case <-ctx.Done():
		return Paired{}, context.Cause(ctx)
	}
}

// Cancel ends the pairing with context.Canceled, unless it has ended.
func (p *Pairing) Cancel() { p.end(Paired{}, context.Canceled) }

// end ends the pairing. Only the first call has an effect.
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

// expired compares the lifetime with both the monotonic clock and the system clock: the
// monotonic clock stops while a laptop sleeps, and the system clock can be set.
func (p *Pairing) expired() bool {
	now := time.Now()
	return now.Sub(p.started) >= p.config.Life || now.Round(0).Sub(p.started.Round(0)) >= p.config.Life
}

// begin reserves the code for one attempt, or returns the reason for a refusal.
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

// spend uses up the code. It returns false if the code was used up or has expired before: then
// the attempt does not count, right or wrong.
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

// servePair serves a pairing stream.
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

// serve runs one attempt. Until the dialer has sent its proof, it has learned nothing and the
// code is not used up. With the proof the code is used up and the pairing ends.
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

// finish runs the rest of the handshake with a dialer that knows the code.
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
	// The peer is paired. If this message is lost, the peer learns that at its next connection.
	_ = t.sendProof(kindDone, nil)
}

// ErrTooManyGuesses means that several codes in a row were used up by wrong guesses.
var ErrTooManyGuesses = errors.New("too many wrong codes")

const (
	// maxWrongCodes is how many codes may be used up by wrong guesses.
	maxWrongCodes = 5

	// firstPause is how long to wait for a new code after the first wrong guess. The pause
	// doubles after each further one.
	firstPause = 2 * time.Second
)

// Invitation configures [Host.Invite].
type Invitation struct {
	// Name is the name of this host, see [CleanName].
	Name string
	// Show is called with each new code, and Withdrawn when a code ended without a pairing,
	// with the reason: [ErrWrongCode], [ErrCodeExpired] or [ErrPairing]. Both are called by the
	// goroutine of Invite.
	Show      func(Code)
	Withdrawn func(Code, error)
	// Paired is as in [PairingConfig].
	Paired func(Paired) error
}

// Invite shows one code after another until a host has paired, and returns that host. After a
// wrong guess it waits before it shows the next code, longer each time, and after the fifth it
// returns [ErrTooManyGuesses]. After a code that expired or whose pairing failed otherwise, it
// shows the next one at once. If ctx ends, Invite withdraws the code and returns the cause of
// ctx.
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
