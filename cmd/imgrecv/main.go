// Imgrecv receives container images that imgsend sends from another host.
package main

import (
	"context"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/lan"
	"golang.org/x/sync/errgroup"
)

func main() { program().Main() }

// program returns imgrecv with its command line not yet read.
func program() *cli.Program {
	v := cli.NewVoice("imgrecv")
	var o options
	var p *cli.Program
	p = cli.NewProgram(v, words, flags(v, &o), func(ctx context.Context, args []string) error {
		o.sized = p.Flags().Changed("max-size")
		return run(ctx, v, o, args)
	})
	p.Complete(completions)
	return p
}

func run(ctx context.Context, v *cli.Voice, o options, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	switch {
	case o.input != "":
		return loadFile(ctx, v, o)
	case o.have:
		return listHave(ctx, v, o)
	case o.clean:
		return clean(ctx, v, o)
	}
	home, book, done, err := cli.OpenState(ctx, v, o.name, o.peers, o.forget)
	if err != nil || done {
		return err
	}
	door, err := newDoor(v, o, book)
	if err != nil {
		return err
	}
	key, err := peer.LoadIdentity(home)
	if err != nil {
		return err
	}
	into, err := engine.Open(ctx, o.address())
	if err != nil {
		return err
	}
	defer into.Close()
	cli.SayStore(v, "into", into)
	host, err := peer.Listen(ctx, key, peer.ListenConfig{Addr: o.listen, Policy: door.policy(o.keep)})
	if err != nil {
		return err
	}
	defer host.Close()
	return serve(ctx, &receiver{v: v, o: o, into: into, door: door, book: book}, host)
}

// serve announces this host, shows codes if it is to, and takes transfers.
func serve(ctx context.Context, r *receiver, host *peer.Host) error {
	announcer, err := lan.Announce(host.ID(), lan.Announcement{Name: r.o.name, Addrs: host.Addrs})
	if err != nil {
		r.v.Warn(cli.WarnNoMulticast, "this host cannot be found without its address: %v", err)
	} else {
		defer announcer.Close()
	}
	r.greeting(host)
	g, ctx := errgroup.WithContext(ctx)
	inviting, stop := context.WithCancel(ctx)
	if r.door.codes {
		i := &inviter{receiver: r, host: host, announce: announcer, remember: !r.o.noRemember, forever: r.o.keep}
		g.Go(func() error {
			err := i.run(inviting)
			if err == nil || inviting.Err() != nil {
				return nil
			}
			if !r.door.letsSomebodyIn(r.o.keep) {
				return err
			}
			r.v.Warn(cli.WarnNoCodes, "no more codes are shown: %v; those who are known can still send. To meet a new host, start imgrecv again", err)
			return nil
		})
	}
	g.Go(func() error {
		defer stop()
		return r.wait(ctx, host)
	})
	err = g.Wait()
	if err != nil && r.o.keep && cli.Terminated(ctx) {
		return nil // a service that was stopped
	}
	return err
}

// listening is what JSON says of where this host waits.
func listening(name string, host *peer.Host, code string) cli.ListeningEvent {
	e := cli.ListeningEvent{Event: "listening", ID: host.ID().String(), Name: name, Code: code, Addrs: []string{}}
	for _, a := range host.Addrs() {
		e.Addrs = append(e.Addrs, a.String())
	}
	return e
}

// greeting says where this host can be reached; where it shows a code, that comes first.
func (r *receiver) greeting(host *peer.Host) {
	e := listening(r.o.name, host, "")
	if !r.door.codes { // else it comes with the code
		r.v.Event(e)
	}
	r.v.Sayf("waiting as %s", r.o.name)
	if !r.door.codes {
		r.sayAddresses(host)
	}
	switch {
	case r.o.yes:
		r.v.Warn(cli.WarnAnybody, "--yes accepts images from anybody who reaches this port")
	case r.o.keep && !r.door.codes && !r.door.knowsAnybody():
		r.v.Warn(cli.WarnNobody, "no peer is saved, so nobody can send anything; meet one with --code first")
	case r.o.keep && !r.door.codes:
		r.v.Sayf("from saved peers only; --code lets a new host in, or --allow PEERID")
	}
}
