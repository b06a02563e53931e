package door

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/lan"
)

// An inviter pairs with new hosts. It shows one code at a time, and saves each peer that proves
// that it knows the code.
type inviter struct {
	*Door
	host     *peer.Host
	announce *lan.Announcer // nil if the host is not announced
	shown    bool           // a code was shown before
}

// run shows codes until a host has paired, or with Keep until ctx ends. It returns
// [peer.ErrTooManyGuesses] after too many wrong codes.
func (i *inviter) run(ctx context.Context) error {
	for {
		_, err := i.host.Invite(ctx, peer.Invitation{
			Name:      peer.CleanName(i.Name),
			Show:      i.show,
			Withdrawn: i.withdrawn,
			Paired:    i.paired,
		})
		i.nameplate("")
		if err != nil || !i.Keep {
			return err
		}
	}
}

func (i *inviter) nameplate(s string) {
	if i.announce == nil {
		return
	}
	if err := i.announce.Update(s); err != nil {
		i.Voice.Warn(cli.WarnNoMulticast, "this host cannot be announced: %v", err)
	}
}

func (i *inviter) show(c peer.Code) {
	i.nameplate(strconv.Itoa(c.Number()))
	i.Voice.Event(i.listening(i.host, c.Reveal()))
	say := i.Voice.Sayf
	if i.Voice.Quiet {
		say = i.Voice.Warnf // with --quiet too: no host can pair without the code
	}
	say("%-18s %s %s%s", i.Way.Toward+" a new host:", i.Way.Command, c.Reveal(), onlyHere(i.host.Addrs()))
	if !i.shown {
		i.sayAddresses(i.host)
	}
	i.shown = true
}

func (i *inviter) withdrawn(_ peer.Code, err error) {
	i.nameplate("")
	switch {
	case errors.Is(err, peer.ErrWrongCode):
		i.Voice.Warn(cli.WarnWrongCode, "somebody tried a wrong code: that code is void, another one comes")
	case errors.Is(err, peer.ErrCodeExpired):
		i.Voice.Sayf("the code has expired")
	default:
		i.Voice.Sayf("%v", err)
	}
}

// paired saves a peer that proved that it knows the code, or without Remember allows it until
// this program ends.
func (i *inviter) paired(p peer.Paired) error {
	if !i.Remember {
		i.admit(p.ID)
		i.Voice.Sayf("met %s (peer %s), for this run only", p.Name, p.ID)
		return nil
	}
	name, err := i.Book.Add(peer.Peer{ID: p.ID, Name: p.Name, Rights: i.Way.Right, Seen: time.Now()})
	if err != nil {
		return err
	}
	cli.SayMet(i.Voice, p, name, i.Way.Once)
	return nil
}
