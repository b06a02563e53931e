package door

import (
	"context"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/lan"
	"golang.org/x/sync/errgroup"
)

// Serve announces the host, prints its addresses, and shows codes if the door pairs, until
// serve returns. It returns the error of serve, or nil if the program runs with Keep and was
// stopped by a signal.
func (d *Door) Serve(ctx context.Context, host *peer.Host, serve func(context.Context) error) error {
	announcer, err := lan.Announce(host.ID(), lan.Announcement{Name: d.Name, Offers: d.Way.Offers, Addrs: host.Addrs})
	if err != nil {
		d.Voice.Warn(cli.WarnNoMulticast, "this host cannot be found without its address: %v", err)
	} else {
		defer announcer.Close()
	}
	d.greeting(host)
	g, ctx := errgroup.WithContext(ctx)
	inviting, stop := context.WithCancel(ctx)
	if d.codes {
		i := &inviter{Door: d, host: host, announce: announcer}
		g.Go(func() error {
			err := i.run(inviting)
			if err == nil || inviting.Err() != nil {
				return nil
			}
			if !d.letsSomebodyIn() {
				return err
			}
			d.Voice.Warn(cli.WarnNoCodes, "no more codes are shown: %v; those who are known can still %s. To meet a new host, start %s again", err, d.Way.Does, d.Way.Program)
			return nil
		})
	}
	g.Go(func() error {
		defer stop()
		return serve(ctx)
	})
	err = g.Wait()
	if err != nil && d.Keep && cli.Terminated(ctx) {
		return nil
	}
	return err
}

// listening returns the JSON event for a host that listens.
func (d *Door) listening(host *peer.Host, code string) cli.ListeningEvent {
	e := cli.ListeningEvent{Event: "listening", ID: host.ID().String(), Name: d.Name, Code: code, Addrs: []string{}}
	for _, a := range host.Addrs() {
		e.Addrs = append(e.Addrs, a.String())
	}
	return e
}

// greeting prints where this host listens and which peers may transfer. If the door shows
// codes, the inviter prints the addresses.
func (d *Door) greeting(host *peer.Host) {
	if !d.codes { // otherwise show prints it with each code
		d.Voice.Event(d.listening(host, ""))
	}
	d.Voice.Sayf("waiting as %s", d.Name)
	if !d.codes {
		d.sayAddresses(host)
	}
	switch {
	case d.Yes:
		d.Voice.Warn(cli.WarnAnybody, "%s", d.Way.Anybody)
	case d.Keep && !d.codes && !d.knowsAnybody():
		d.Voice.Warn(cli.WarnNobody, "no saved peer may %s anything here; meet one with --code first", d.Way.Does)
	case d.Keep && !d.codes:
		d.Voice.Sayf("from saved peers only; --code lets a new host in, or --allow PEERID")
	}
}
