// Imgrecv receives container images that imgsend sends from another host.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/peer"
	"github.com/spf13/pflag"
)

const usage = `Usage: imgrecv [options]

Waits for imgsend on another host, loads what it sends into this host's engine,
verifies it, gives it its names, and exits with the result of the transfer.
On a terminal it asks before it accepts anything; elsewhere it takes images only
from peers given by --allow, or from anybody with --yes.

      --listen ADDR     where to listen: :7420, 192.168.1.20:7420, [::1]:0
                        (default :7420, or the next port if that is taken)
      --name NAME       what to be called on the other side (default: host name)
      --allow PEERID    accept this sender without asking; may be repeated
  -y, --yes             accept any sender (for closed networks)
  -H, --host SOCKET     the engine: unix:///run/podman/podman.sock, tcp://...,
                        ssh://... (default: DOCKER_HOST, then the current docker
                        context, then the usual sockets)
      --json            one JSON object a line on stdout
  -q, --quiet           no progress, only errors and results
      --version         print the version
  -h, --help            print this

Examples:
  imgrecv                                  ask on the terminal
  imgrecv --allow 12D3Koo... --json        from one sender, for a script
  imgrecv --listen 192.168.1.20:7420 -H unix:///run/podman/podman.sock

stdout has a line "NAME ID" for each image that arrived.

` + cli.ExitTable

type options struct {
	listen, name, host string
	allow              []string
	yes                bool
}

func main() {
	v := cli.NewVoice("imgrecv")
	var o options
	f := pflag.NewFlagSet("imgrecv", pflag.ContinueOnError)
	f.StringVar(&o.listen, "listen", "", "")
	f.StringVar(&o.name, "name", "", "")
	f.StringArrayVar(&o.allow, "allow", nil, "")
	f.BoolVarP(&o.yes, "yes", "y", false, "")
	f.StringVarP(&o.host, "host", "H", "", "")
	f.BoolVar(&v.JSON, "json", false, "")
	f.BoolVarP(&v.Quiet, "quiet", "q", false, "")
	cli.Run(v, f, usage, func(ctx context.Context) error { return run(ctx, v, o, f.Args()) })
}

func run(ctx context.Context, v *cli.Voice, o options, args []string) error {
	if len(args) > 0 {
		return &cli.UsageError{Err: fmt.Errorf("imgrecv takes no arguments, not %q (imgrecv -h shows its options)", args[0])}
	}
	door, err := newDoor(v, o)
	if err != nil {
		return err
	}
	if o.name == "" {
		o.name, _ = os.Hostname()
	}
	home, err := peer.Home()
	if err != nil {
		return err
	}
	key, err := peer.LoadIdentity(home)
	if err != nil {
		return err
	}
	eng, err := engine.Find(ctx, o.host)
	if err != nil {
		return err
	}
	defer eng.Close()
	v.Sayf("into %s at %s (%s)", eng, eng.Endpoint().Host, eng.Endpoint().From)
	host, err := peer.Listen(ctx, key, peer.ListenConfig{Addr: o.listen, Policy: door.policy()})
	if err != nil {
		return err
	}
	defer host.Close()
	announce(v, o, host)
	if o.yes {
		v.Warnf("warning: --yes accepts images from anybody who reaches this port")
	}
	r := &receiver{v: v, o: o, engine: eng, door: door}
	return r.wait(ctx, host)
}

// announce says where this host can be reached.
func announce(v *cli.Voice, o options, host *peer.Host) {
	var addrs []string
	for _, a := range host.Addrs() {
		addrs = append(addrs, a.String())
	}
	v.Event(cli.ListeningEvent{Event: "listening", Addrs: addrs, ID: host.ID().String(), Name: o.name})
	if len(addrs) == 0 {
		v.Warnf("waiting as %s (%s), with no address to show", o.name, host.ID())
		return
	}
	v.Sayf("waiting as %s; on the other host:", o.name)
	v.Sayf("  imgsend IMAGE... --to %s", addrs[0])
	for _, a := range addrs[1:] {
		v.Sayf("  or --to %s", a)
	}
}
