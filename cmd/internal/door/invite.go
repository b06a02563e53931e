package door

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/lan"
	ma "github.com/multiformats/go-multiaddr"
)

// An inviter has strangers meet this host by a code: it shows one after the
// other, and saves whoever used one rightly.
type inviter struct {
	*Door
	host     *peer.Host
	announce *lan.Announcer // nil if it is not announced
	shown    bool           // a code was
}

// run shows codes until ctx ends, one was used rightly, or too many were tried
// wrongly.
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
		say = i.Voice.Warnf // nobody could come without it
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

// paired saves a peer that proved to know the code; from here on it is let in.
func (i *inviter) paired(p peer.Paired) error {
	if !i.Remember {
		i.admit(p.ID)
		i.Voice.Sayf("met %s (peer %s), for this run only", p.Name, p.ID)
		return nil
	}
	name, err := i.Book.Add(peer.Peer{ID: p.ID, Name: p.Name, Rights: i.Way.Right, Seen: time.Now(), Addrs: []ma.Multiaddr(nil)})
	if err != nil {
		return err
	}
	cli.SayMet(i.Voice, p, name, i.Way.Once)
	return nil
}
