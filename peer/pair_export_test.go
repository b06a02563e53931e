package peer

import (
	"context"
	"io"
	"time"
)

// PairAsDialer runs the handshake over rw as the dialer.
func PairAsDialer(rw io.ReadWriter, dialer, host ID, code Code, name string) (string, error) {
	return newTalk(rw, PairProtocol, dialer, host, false).dialerSide(code, name)
}

// PairAsFetcher is PairAsDialer for a host that offers images.
func PairAsFetcher(rw io.ReadWriter, dialer, host ID, code Code, name string) (string, error) {
	return newTalk(rw, FetchPairProtocol, dialer, host, false).dialerSide(code, name)
}

// PairAsListener runs the handshake as the listener up to the dialer's proof.
func PairAsListener(rw io.ReadWriter, dialer, host ID, code Code) error {
	t := newTalk(rw, PairProtocol, dialer, host, true)
	if err := t.receiveOpen(); err != nil {
		return err
	}
	if err := t.sendHello(); err != nil {
		return err
	}
	if err := t.exchange(code); err != nil {
		return err
	}
	_, err := t.receiveProof(kindDialerConfirm, 0)
	return err
}

// InviteFast is Host.Invite with another first pause.
func (h *Host) InviteFast(ctx context.Context, i Invitation, pause time.Duration) (Paired, error) {
	return h.invite(ctx, i, pause)
}

// SetStarted sets the start of a pairing's lifetime.
func (p *Pairing) SetStarted(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started = t
}

// RewritePage parses a peers file and formats it again, all lines of peers if anew is true.
func RewritePage(text string, anew bool) string {
	p := parsePage(text)
	for _, l := range p.lines {
		l.changed = anew && l.peer != nil
	}
	return p.String()
}

// ReadPage reads a peers file.
func ReadPage(text string) ([]Peer, []Damage) {
	p := parsePage(text)
	return p.peers(), p.damage()
}
