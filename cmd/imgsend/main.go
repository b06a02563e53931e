// Imgsend sends container images to another host, where imgrecv waits.
package main

import (
	"context"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/transfer/wire"
	"github.com/spf13/pflag"
)

const usage = `Usage: imgsend [options] IMAGE... --to PEER
       imgsend [options] IMAGE... -o FILE
       imgsend [options] --container NAME --to PEER | -o FILE

Sends container images of this host's engine to the host where imgrecv waits:
only the layers that are missing there, verified before they have a name. Or
writes them into an archive, for imgrecv -i, docker load or podman load.
IMAGE is a name (webapp means webapp:latest) or an image ID; an image given by
its ID arrives without a name unless --as gives it one.

  -t, --to PEER         - asks for a code that imgrecv shows, or another PEER;
                        without --to IMGSEND_CODE is read, or you are asked. Use
                        these where others use this host: they can read arguments.
                        Or the code itself (7-crystal-tulip), the name of a saved
                        peer, either of them @HOST[:PORT], HOST[:PORT], or
                        /ip4/192.168.1.20/tcp/7420/p2p/12D3Koo...
      --no-remember     do not save who was met by a code
      --peers           list saved peers and those that wait nearby
      --forget NAME     forget a saved peer
  -o, --output FILE     write an archive; - is stdout; a name that ends in .zst,
                        or --compress fast or best, compresses it with zstd
      --have FILE       with -o: leave out what imgrecv --have listed in FILE on the
                        host that the archive is for
      --container NAME  commit this container and send the image
  -m, --message TEXT    of the commit; so are --author NAME, --change INSTRUCTION
                        (such as 'CMD /app'; may be repeated), and --no-pause
                        (let it run while it is read)
      --flatten         with --container: send its file system as one layer, with
                        its settings; --flatten=bare without them
      --keep-image      keep the committed image here, under the name of --as
      --store DIR       send out of an OCI layout folder instead of an engine
      --platform OS/ARCH[/VARIANT]
                        one of an image with several (default: all that are here)
      --as NAME[:TAG]   the name on arrival, of a single image; --as OLD=NEW, which
                        may be repeated, of one of several
  -n, --dry-run         only say which layers would be sent, and how many bytes
      --compress HOW    auto (default: as hard as the network leaves time for),
                        none, fast or best
      --limit RATE      at most so many bytes a second: 500k, 10M
      --retry-for TIME  when the line breaks, try for so long to go on where it
                        broke: 90s, 1h, 0 for not at all (default 10m)
  -H, --host SOCKET     the engine: unix:///run/podman/podman.sock, tcp://...,
                        ssh://..., containerd:///run/k3s/containerd/containerd.sock
                        (default: DOCKER_HOST, then the current docker context,
                        then CONTAINERD_ADDRESS, then the usual sockets)
      --namespace NAME  of a containerd (default: CONTAINERD_NAMESPACE, else k8s.io
                        for k3s and RKE2, else default)
      --json            one JSON object a line on stdout
  -q, --quiet           no progress, only errors and results
      --verbose         say too how each image is exported, and why
      --version         print the version
  -h, --help            print this

Examples:
  imgsend webapp:1.0 nginx:1.22 --to -                   the first time; type the code
  imgsend webapp:1.1 --to buildbox                       from then on
  imgsend -n webapp:2.0 --to buildbox@192.168.1.20       what would be sent?
  imgsend 0bc42f7ff218 --as webapp:1.0 --to buildbox
  imgsend --container webapp -m Configured --as webapp:2.0 --to buildbox
  imgsend webapp:1.0 nginx:1.22 -o images.tar

stdout has a line "NAME ID" for each image that arrived. At most 4096 images go
at once, with 4096 names each, and 32768 layers and names in all.

` + cli.ExitTable

func main() {
	v := cli.NewVoice("imgsend")
	var o options
	f := flags(v, &o)
	cli.Run(v, f, usage, func(ctx context.Context) error { return run(ctx, v, o, f.Args()) })
}

// flags are what the command line sets of v and o.
func flags(v *cli.Voice, o *options) *pflag.FlagSet {
	f := pflag.NewFlagSet("imgsend", pflag.ContinueOnError)
	f.StringVarP(&o.to, "to", "t", "", "")
	f.StringArrayVar(&o.as, "as", nil, "")
	f.StringVarP(&o.output, "output", "o", "", "")
	f.StringVar(&o.have, "have", "", "")
	f.StringVar(&o.container, "container", "", "")
	f.StringVarP(&o.message, "message", "m", "", "")
	f.StringVar(&o.author, "author", "", "")
	f.StringArrayVar(&o.changes, "change", nil, "")
	f.BoolVar(&o.noPause, "no-pause", false, "")
	f.StringVar(&o.flatten, "flatten", "", "")
	f.Lookup("flatten").NoOptDefVal = flattenFull
	f.BoolVar(&o.keepImage, "keep-image", false, "")
	f.StringVar(&o.store, "store", "", "")
	f.StringVar(&o.platform, "platform", "", "")
	f.BoolVar(&o.noRemember, "no-remember", false, "")
	f.BoolVar(&o.peers, "peers", false, "")
	f.StringVar(&o.forget, "forget", "", "")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "")
	f.StringVar(&o.compress, "compress", string(wire.CompressAuto), "")
	f.StringVar(&o.limit, "limit", "", "")
	f.StringVar(&o.retry, "retry-for", cli.DefaultRetry, "")
	f.StringVarP(&o.host, "host", "H", "", "")
	f.StringVar(&o.namespace, "namespace", "", "")
	f.BoolVar(&v.JSON, "json", false, "")
	f.BoolVarP(&v.Quiet, "quiet", "q", false, "")
	f.BoolVar(&v.Verbose, "verbose", false, "")
	return f
}
