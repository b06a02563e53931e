package main

import (
	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
)

var words = cli.Words{
	Short: "send container images to another host",
	Usage: []string{
		"[options] IMAGE... --to PEER [--to PEER]...",
		"[options] IMAGE... -o FILE",
		"[options] --all --to PEER | -o FILE",
		"[options] --container NAME... --to PEER | -o FILE",
		"[options] -i FILE [IMAGE...] --to PEER",
		"[options] IMAGE... --wait",
		"[options] --serve PATTERN [--serve PATTERN]... [--keep]",
	},
	About: `Sends container images of this host's engine to the host where imgrecv waits:
only the layers that are missing there, verified before they have a name. Or
writes them into an archive, for imgrecv -i, docker load or podman load.

With --wait or --serve the other host dials: imgrecv --from fetches the images.
Who may fetch is said per peer, and is another right than to send images here.

IMAGE is a name (webapp means webapp:latest), a pattern or an image ID. An image
given by its ID arrives without a name unless --as gives it one. A pattern has
a *, which stands for anything but a slash: 'shop/*' is all tags of all images of
shop, 'webapp:1.*' some of one. Quote it, or the shell looks for files. --all is
all images that have a name, and so leaves out dangling ones.`,
	Examples: [][2]string{
		{"webapp:1.0 nginx:1.22 --to -", "the first time; type the code"},
		{"webapp:1.1 --to buildbox", "from then on"},
		{"webapp:2.0 --to box1 --to box2 --to box3", "to several hosts at once"},
		{"'shop/*' --to buildbox", "all images of shop"},
		{"-n webapp:2.0 --to buildbox", "what would be sent?"},
		{"0bc42f7ff218 --as webapp:1.0 --to buildbox", "send an image that has no name here, and name it there"},
		{"--container webapp -m Configured --as webapp:2.0 --to buildbox", "make an image of a container, and send it"},
		{"--container web --container db --as web=web:2 --to buildbox", "images of two containers, one of them without a name"},
		{"webapp:1.0 nginx:1.22 -o images.tar", "write an archive"},
		{"webapp:1.0 --wait", "the other host dials, with imgrecv --from"},
		{"--serve 'webapp:*' --keep --code", "let others fetch any webapp; new hosts by the code"},
	},
	Results: `stdout has a line "NAME ID" for each image that arrived, "NAME ID PEER" with
several receivers; then the exit status is 0 if all of them have the images, else that of
the first one in the order of --to that failed. At most 4096 images go
at once, with 4096 names each, and 32768 layers and names in all.`,
}

// flags are what the command line sets of v and o, as the help shows them.
func flags(v *cli.Voice, o *options) []*cli.Group {
	what := cli.NewGroup("What")
	what.BoolVar(&o.all, "all", false, "send all images that have a name")
	what.StringArrayVar(&o.as, "as", nil, "the `NAME[:TAG]` on arrival, of a single image; --as OLD=NEW, which may be repeated, of one of several images or containers")
	what.StringVar(&o.platform, "platform", "", "send only `OS/ARCH[/VARIANT]` of an image with several platforms (default: all that are here)")
	what.BoolVarP(&o.dryRun, "dry-run", "n", false, "only say which layers would be sent, and how many bytes")

	where := cli.NewGroup("Where")
	where.StringArrayVarP(&o.to, "to", "t", nil, "where imgrecv waits. `PEER` is the code that it shows (7-crystal-tulip), the name of "+
		"a saved peer, either of them @HOST[:PORT], HOST[:PORT] (an IP address or a host name), or /ip4/192.168.1.20/tcp/7420/p2p/12D3Koo... "+
		"With - you are asked, and without --to too, unless IMGSEND_CODE has the code. "+
		"Do that where others use this host: they can read arguments. May be repeated: the images are read once, and each "+
		"receiver gets what it lacks, whatever becomes of the others")
	where.BoolVar(&o.wait, "wait", false, "wait here for imgrecv --from on the other host, which dials; a code is shown as imgrecv shows it")
	where.StringArrayVar(&o.serve, "serve", nil, "let others fetch the images whose names match `PATTERN`: 'webapp', 'team/*:1.*'; may be repeated")
	where.StringVarP(&o.host, "host", "H", "", "the engine here is at `SOCKET`: unix:///run/podman/podman.sock, tcp://..., ssh://..., npipe://..., "+
		"containerd:///run/k3s/containerd/containerd.sock (default: DOCKER_HOST, then the current docker "+
		"context, then CONTAINERD_ADDRESS, then the usual sockets)")
	where.StringVar(&o.namespace, "namespace", "", "the namespace `NAME` of a containerd (default: CONTAINERD_NAMESPACE, else k8s.io for k3s and RKE2, else default)")
	where.StringVar(&o.store, "store", "", "send out of the OCI layout folder `DIR` instead of an engine")

	containers := cli.NewGroup("Containers")
	containers.StringArrayVar(&o.container, "container", nil, "commit the container `NAME` and send the image; may be repeated. "+
		"Of several, either all arrive or none")
	containers.StringVarP(&o.message, "message", "m", "", "the `TEXT` that each commit has as its message")
	containers.StringVar(&o.author, "author", "", "the `NAME` that each commit has as its author")
	containers.StringArrayVar(&o.changes, "change", nil, "apply the Dockerfile `INSTRUCTION` to each commit, such as 'CMD /app'; may be repeated")
	containers.BoolVar(&o.noPause, "no-pause", false, "do not pause the container while it is read")
	containers.StringVar(&o.flatten, "flatten", "", "send the file system as one layer, with its settings; --flatten=`bare` without them")
	containers.Lookup("flatten").NoOptDefVal = flattenFull
	containers.BoolVar(&o.keepImage, "keep-image", false, "keep the committed images here, each under the name of --as")

	archives := cli.NewGroup("Archives")
	archives.StringVarP(&o.output, "output", "o", "", "write an archive to `FILE`; - is stdout. A name that ends in .zst, or --compress "+
		"fast or best, compresses it with zstd")
	archives.StringVarP(&o.input, "input", "i", "", "send the images of the archive `FILE`, or those that are named, without an engine; - is stdin")
	archives.StringVar(&o.have, "have", "", "with -o: leave out what imgrecv --have listed in `FILE` on the host that the archive is for")

	line := cli.NewGroup("Line")
	line.StringVar(&o.compress, "compress", string(wire.CompressAuto), "compress `HOW` hard: auto (default: as hard as the network leaves time for), none, fast or best")
	line.StringVar(&o.limit, "limit", "", "send at most `RATE` bytes a second, to all receivers together: 500k, 10M")
	line.StringVar(&o.lag, "lag", transfer.DefaultLag.String(), "with several receivers: one that holds back the others for more than `TIME` in all goes on alone, "+
		"and the images are read once more for it (default 30s)")
	line.StringVar(&o.listen, "listen", "", "with --wait or --serve: wait at `ADDR`: 7421, 192.168.1.20, localhost:7421, [::1]:0 (default 7420, or the next port if that is taken)")
	line.BoolVarP(&o.keep, "keep", "k", false, "with --wait or --serve: stay for more receivers, four at the same time")
	o.waits.Define(line, "when the line breaks, try for `TIME` to resume the transfer: 90s, 1h, 0 for not at all (default 10m)")

	peers := cli.NewGroup("Peers")
	peers.StringVar(&o.name, "name", "", "with --wait or --serve: be called `NAME` (default: host name)")
	peers.BoolVar(&o.code, "code", false, "show a code also without a terminal or with --keep")
	peers.StringArrayVar(&o.allow, "allow", nil, "let the receiver `PEERID` fetch without asking; may be repeated")
	peers.BoolVarP(&o.yes, "yes", "y", false, "let any receiver fetch (for closed networks)")
	o.saved.Define(peers, peer.MayFetch, "fetch what is offered here")
	peers.BoolVar(&o.noRemember, "no-remember", false, "do not save who was met by a code")

	output := cli.NewGroup("Output")
	output.BoolVar(&v.JSON, "json", false, "one JSON object a line on stdout")
	output.BoolVarP(&v.Quiet, "quiet", "q", false, "no progress, only errors, warnings and results")
	output.BoolVar(&v.Verbose, "verbose", false, "show also how each image is exported, and why")
	return []*cli.Group{what, where, containers, archives, line, peers, output}
}
