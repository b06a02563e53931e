package peer

import (
	"context"
	"io"
	"time"
)

// PairAsDialer runs the dialer's side of a handshake over rw.
func PairAsDialer(rw io.ReadWriter, dialer, host ID, code Code, name string) (string, error) {
	return newTalk(rw, PairProtocol, dialer, host, false).dialerSide(code, name)
}

// PairAsFetcher is PairAsDialer for a host that offers images.
func PairAsFetcher(rw io.ReadWriter, dialer, host ID, code Code, name string) (string, error) {
	return newTalk(rw, FetchPairProtocol, dialer, host, false).dialerSide(code, name)
}

// PairAsListener runs the listener's side up to the dialer's proof.
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

// SetStarted makes a code that is out as old as if put out then.
func (p *Pairing) SetStarted(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started = t
}

// RewritePage reads a peers file and writes it again, all lines anew if so asked.
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
