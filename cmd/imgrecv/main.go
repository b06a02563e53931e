// Imgrecv receives container images that imgsend sends from another host.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/lan"
	"github.com/imgsend/imgsend/transfer"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
)

const usage = `Usage: imgrecv [options]
       imgrecv [options] -i FILE

Waits for imgsend on another host, loads what it sends into this host's engine,
verifies it, gives it its names, and exits with the result of the transfer.

Saved peers are let in. A new host is met by the code that is shown on a
terminal (imgsend IMAGE --to CODE), which saves both at each other; one that
comes by this host's address is asked about. Five wrong codes end the showing of
codes, and not imgrecv, as long as anybody else may send.

With -i it loads an archive instead: one of imgsend -o, docker save or podman
save, an OCI archive, or a root file system as docker export writes it, each
also compressed with gzip, zstd, bzip2 or xz.

  -i, --input FILE         load an archive; - is stdin
      --have               list on stdout what this engine has, for imgsend --have on
                           a host that is not on the network
      --clean              remove what failed transfers have kept in this engine for the
                           next try, and list that on stdout
      --as NAME[:TAG]      the name to give, to a single image; --as OLD=NEW, which
                           may be repeated, to one of several
      --store DIR          into an OCI layout folder instead of an engine
      --platform OS/ARCH[/VARIANT]
                           which image of an archive that has several for one name
      --listen ADDR        where to listen: :7420, 192.168.1.20:7420, [::1]:0
                           (default :7420, or the next port if that is taken)
      --name NAME          what to be called (default: host name)
  -k, --keep               stay for more transfers, one after the other
      --retry-for TIME     when the line breaks, wait so long for the sender to go on
                           where it broke: 90s, 1h, 0 for not at all (default 10m)
      --wait-again         when a transfer has failed so, wait as long again for the
                           sender to begin anew, as on a terminal
      --code               show a code also without a terminal or with --keep
      --no-remember        do not save who was met by a code
      --allow PEERID       accept this sender without asking; may be repeated
  -y, --yes                accept any sender (for closed networks)
      --allow-name PATTERN accept only such names: 'webapp', 'team/*:1.*'; may be
                           repeated
      --max-size SIZE      take no more than so many bytes: 500M, 20G (default: what
                           there is room for, where that is known)
      --no-clobber         refuse names that stand for another image here
      --peers              list saved peers and those that wait nearby
      --forget NAME        forget a saved peer
  -H, --host SOCKET        the engine: unix:///run/podman/podman.sock, tcp://...,
                           ssh://..., containerd:///run/containerd/containerd.sock
                           (default: DOCKER_HOST, then the current docker context,
                           then CONTAINERD_ADDRESS, then the usual sockets)
      --namespace NAME     of a containerd, which makes it with the first image
                           (default: CONTAINERD_NAMESPACE, else k8s.io for k3s and
                           RKE2, else default)
      --json               one JSON object a line on stdout
  -q, --quiet              no progress, only errors and results
      --version            print the version
  -h, --help               print this

Examples:
  imgrecv                                   show a code, take one transfer
  imgrecv --keep --allow-name 'webapp:*'    serve saved peers, unattended
  imgrecv --listen 192.168.1.20:7420 -H unix:///run/podman/podman.sock
  imgrecv -i images.tar.gz                  load an archive, without a network

stdout has a line "NAME ID" for each image that arrived.

` + cli.ExitTable

// address returns where images go.
func (o *options) address() engine.Address {
	return engine.Address{Host: o.host, Namespace: o.namespace, Folder: o.store}
}

// maxSize returns how many bytes one transfer may bring into a store: what
// --max-size says, or else what there is room for; 0 is no limit.
func (o *options) maxSize(into store.Store) func(context.Context) (int64, error) {
	return func(ctx context.Context) (int64, error) {
		if o.most > 0 {
			return o.most, nil
		}
		free, known := into.Free(ctx)
		if !known {
			return 0, nil
		}
		return max(free, 1), nil
	}
}

func (o *options) sinkOptions() store.SinkOptions { return store.SinkOptions{NoClobber: o.noClobber} }

type options struct {
	listen, name, host, forget         string
	allow, allowNames                  []string
	yes, keep, code, noRemember, peers bool
	noClobber, waitAgain               bool
	retry                              string        // of --retry-for
	retryFor                           time.Duration // what it says

	input, store, platform string
	namespace              string
	have, clean            bool
	as                     []string
	size                   string // of --max-size
	sized                  bool   // --max-size is given, also as "", which is an error
	most                   int64  // in bytes; 0: not said
	naming                 *cli.Naming
}

func main() {
	v := cli.NewVoice("imgrecv")
	var o options
	f := flags(v, &o)
	cli.Run(v, f, usage, func(ctx context.Context) error {
		o.sized = f.Changed("max-size")
		return run(ctx, v, o, f.Args())
	})
}

// flags are what the command line sets of v and o.
func flags(v *cli.Voice, o *options) *pflag.FlagSet {
	f := pflag.NewFlagSet("imgrecv", pflag.ContinueOnError)
	f.StringVar(&o.listen, "listen", "", "")
	f.StringVar(&o.name, "name", "", "")
	f.BoolVarP(&o.keep, "keep", "k", false, "")
	f.BoolVar(&o.waitAgain, "wait-again", false, "")
	f.StringVar(&o.retry, "retry-for", cli.DefaultRetry, "")
	f.BoolVar(&o.code, "code", false, "")
	f.BoolVar(&o.noRemember, "no-remember", false, "")
	f.StringArrayVar(&o.allow, "allow", nil, "")
	f.BoolVarP(&o.yes, "yes", "y", false, "")
	f.StringArrayVar(&o.allowNames, "allow-name", nil, "")
	f.StringVar(&o.size, "max-size", "", "")
	f.BoolVar(&o.noClobber, "no-clobber", false, "")
	f.BoolVar(&o.peers, "peers", false, "")
	f.StringVar(&o.forget, "forget", "", "")
	f.StringVarP(&o.input, "input", "i", "", "")
	f.BoolVar(&o.have, "have", false, "")
	f.BoolVar(&o.clean, "clean", false, "")
	f.StringArrayVar(&o.as, "as", nil, "")
	f.StringVar(&o.store, "store", "", "")
	f.StringVar(&o.platform, "platform", "", "")
	f.StringVarP(&o.host, "host", "H", "", "")
	f.StringVar(&o.namespace, "namespace", "", "")
	f.BoolVar(&v.JSON, "json", false, "")
	f.BoolVarP(&v.Quiet, "quiet", "q", false, "")
	return f
}

// check reads the command line.
func (o *options) check(args []string) error {
	if len(args) > 0 {
		return &cli.UsageError{Err: fmt.Errorf("imgrecv takes no arguments, not %q (imgrecv -h shows its options)", args[0])}
	}
	for _, p := range o.allowNames {
		if _, err := path.Match(p, ""); err != nil {
			return &cli.UsageError{Err: fmt.Errorf("--allow-name %s: %w", p, err)}
		}
	}
	if o.sized {
		n, err := transfer.ParseBytes(o.size)
		if err == nil && n == 0 {
			err = errors.New("nothing fits into 0 bytes")
		}
		if err != nil {
			return &cli.UsageError{Err: fmt.Errorf("--max-size: %w", err)}
		}
		o.most = n
	}
	var err error
	if o.retryFor, err = cli.ParseRetry(o.retry); err != nil {
		return err
	}
	if err := o.conflicts(); err != nil {
		return &cli.UsageError{Err: err}
	}
	naming, err := cli.ParseNaming(o.as)
	if err != nil {
		return err
	}
	o.naming = naming
	if o.name == "" {
		o.name, _ = os.Hostname()
		o.name = peer.CleanName(o.name)
	}
	if err := peer.CheckName(o.name); err != nil {
		return &cli.UsageError{Err: fmt.Errorf("--name: %w", err)}
	}
	return nil
}

// conflicts says which options do not go together.
func (o *options) conflicts() error {
	network := o.listen != "" || o.yes || o.keep || o.code || o.noRemember || o.waitAgain || len(o.allow) > 0
	switch {
	case o.input != "" && network:
		return errors.New("--listen, --yes, --keep, --code, --no-remember, --wait-again and --allow are for the network, --input is a file")
	case o.clean && (o.have || o.input != "" || o.store != "" || network || len(o.as) > 0 || o.sized):
		return errors.New("--clean removes what the engine has kept, and goes with --host and --namespace only")
	case o.have && (o.input != "" || o.store != "" || network || len(o.as) > 0 || o.sized):
		return errors.New("--have lists what the engine has, and goes with --host, --namespace and --name only")
	case o.input == "" && o.platform != "":
		return errors.New("--platform goes with --input")
	case o.store != "" && o.host != "":
		return errors.New("either --store or --host, not both")
	case o.store != "" && o.namespace != "":
		return errors.New("--namespace is for containerd, not for --store")
	case o.keep && o.waitAgain:
		return errors.New("--keep waits for more transfers whatever happens, --wait-again for one that has broken")
	case o.keep && len(o.as) > 0:
		return errors.New("--as names the images of one transfer, --keep waits for several")
	}
	return nil
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
	home, book, done, err := cli.OpenState(ctx, v, o.peers, o.forget)
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
	v.Sayf("into %s", into.Where())
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
		r.v.Sayf("this host cannot be found without its address: %v", err)
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
			r.v.Warnf("no more codes are shown: %v; those who are known can still send. To meet a new host, start imgrecv again", err)
			return nil
		})
	}
	g.Go(func() error {
		defer stop()
		return r.wait(ctx, host)
	})
	return g.Wait()
}

// listening is what JSON says of where this host waits.
func listening(name string, host *peer.Host, code string) cli.ListeningEvent {
	e := cli.ListeningEvent{Event: "listening", ID: host.ID().String(), Name: name, Code: code, Addrs: []string{}}
	for _, a := range host.Addrs() {
		e.Addrs = append(e.Addrs, a.String())
	}
	return e
}

// greeting says where this host can be reached.
func (r *receiver) greeting(host *peer.Host) {
	e := listening(r.o.name, host, "")
	if !r.door.codes { // else it comes with the code
		r.v.Event(e)
	}
	r.v.Sayf("waiting as %s (%s)", r.o.name, r.into)
	for i, a := range e.Addrs {
		if i == 0 {
			r.v.Sayf("by its address:    imgsend IMAGE... --to %s", a)
			continue
		}
		r.v.Sayf("  or --to %s", a)
	}
	switch {
	case r.o.yes:
		r.v.Warnf("warning: --yes accepts images from anybody who reaches this port")
	case r.o.keep && !r.door.codes && !r.door.knowsAnybody():
		r.v.Warnf("warning: no peer is saved, so nobody can send anything; meet one with --code first")
	}
}
