package main

import (
	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
)

var words = cli.Words{
	Short: "receive container images from another host",
	Usage: []string{"[options]", "[options] [IMAGE...] --from PEER", "[options] -o FILE", "[options] -i FILE"},
	About: `Waits for imgsend on another host, loads what it sends into this host's engine,
verifies it, gives it its names, and exits with the result of the transfer.

Saved peers are let in. A new host is met by the code that is shown on a
terminal (imgsend IMAGE --to CODE), which saves both at each other; one that
comes by this host's address is asked about. Five wrong codes end the showing of
codes, and not imgrecv, as long as anybody else may send.

With -o the images go into an archive, without an engine: for a host that is not
on the network, or a folder of archives such as k3s's agent/images. It appears
whole, when everything has arrived and is verified, or not at all.

With --from it dials instead, and fetches what imgsend --wait or --serve offers on
the other host: everything with --wait, or the images that are named here, and then no other one.

With -i it loads an archive instead: one of imgsend -o, docker save or podman
save, an OCI archive, or a root file system as docker export writes it, each
also compressed with gzip, zstd, bzip2 or xz.`,
	Examples: [][2]string{
		{"", "show a code, take one transfer"},
		{"--keep --allow-name 'webapp:*'", "serve saved peers, unattended"},
		{"--listen 192.168.1.20:7420 -H unix:///run/podman/podman.sock", "wait at one address only, for images of Podman"},
		{"-o images.tar", "receive into an archive"},
		{"-i images.tar.gz", "load an archive"},
		{"--from buildbox --list", "what does imgsend --serve or --wait offer there?"},
		{"webapp:1.0 --from buildbox", "fetch what imgsend --serve or --wait offers there"},
	},
	Results: `stdout has a line "NAME ID" for each image that arrived.`,
}

// flags are what the command line sets of v and o, as the help shows them.
func flags(v *cli.Voice, o *options) []*cli.Group {
	what := cli.NewGroup("What")
	what.StringArrayVar(&o.as, "as", nil, "the `NAME[:TAG]` to give to a single image; --as OLD=NEW, which may be repeated, to one of several")
	what.StringArrayVar(&o.allowNames, "allow-name", nil, "accept only names like `PATTERN`: 'webapp', 'team/*:1.*'; may be repeated")
	what.BoolVar(&o.noClobber, "no-clobber", false, "refuse names that another image has here; with -o: refuse to replace a file")
	what.StringVar(&o.size, "max-size", "", "accept at most `SIZE` bytes: 500M, 20G (default: the free space, where that is known)")

	what.BoolVar(&o.list, "list", false, "with --from: only list what is offered there")
	what.BoolVarP(&o.dryRun, "dry-run", "n", false, "with --from: only say which layers would be fetched, and how many bytes")

	where := cli.NewGroup("Where")
	where.StringVar(&o.from, "from", "", "fetch images from `PEER`, where imgsend --wait or --serve waits: the code that it shows (7-crystal-tulip), the name of "+
		"a saved peer, or an address, as for imgsend --to. With - you are asked, or IMGSEND_CODE has the code")
	where.StringVarP(&o.host, "host", "H", "", "the engine here is at `SOCKET`: unix:///run/podman/podman.sock, tcp://..., ssh://..., npipe://..., "+
		"containerd:///run/containerd/containerd.sock (default: DOCKER_HOST, then the current docker "+
		"context, then CONTAINERD_ADDRESS, then the usual sockets)")
	where.StringVar(&o.namespace, "namespace", "", "the namespace `NAME` of a containerd, which makes it with the first image "+
		"(default: CONTAINERD_NAMESPACE, else k8s.io for k3s and RKE2, else default)")
	where.StringVar(&o.store, "store", "", "into the OCI layout folder `DIR` instead of an engine")

	where.BoolVar(&o.clean, "clean", false, "remove what failed transfers have kept in this engine for the next try, and list that on stdout")

	archives := cli.NewGroup("Archives")
	archives.StringVarP(&o.output, "output", "o", "", "receive into an archive `FILE`, without an engine; - is stdout. A name that ends in .zst "+
		"compresses it with zstd")
	archives.StringVarP(&o.input, "input", "i", "", "load the archive `FILE`; - is stdin")
	archives.StringVar(&o.platform, "platform", "", "load only `OS/ARCH[/VARIANT]` of an archive that has several images for one name")
	archives.BoolVar(&o.have, "have", false, "list on stdout what this engine has, for imgsend --have on a host that is not on the network")

	line := cli.NewGroup("Line")
	line.StringVar(&o.listen, "listen", "", "wait at `ADDR`: 7421, 192.168.1.20, localhost:7421, [::1]:0 (default 7420, or the next port if that is taken)")
	line.BoolVarP(&o.keep, "keep", "k", false, "stay for more transfers, one after the other; a transfer whose line is lost is held while the next one runs")
	o.waits.Define(line, "when the line breaks, wait for `TIME` for the sender to resume the transfer: 90s, 1h, 0 for not at all (default 10m)")
	line.BoolVar(&o.waitAgain, "wait-again", false, "when that fails, wait as long again for the sender to start over, as is done on a terminal")

	peers := cli.NewGroup("Peers")
	peers.StringVar(&o.name, "name", "", "call this host `NAME` (default: its host name)")
	peers.BoolVar(&o.code, "code", false, "show a code also without a terminal or with --keep")
	peers.BoolVar(&o.noRemember, "no-remember", false, "do not save who was met by a code")
	peers.StringArrayVar(&o.allow, "allow", nil, "accept the sender `PEERID` without asking; may be repeated")
	peers.BoolVarP(&o.yes, "yes", "y", false, "accept any sender (for closed networks)")
	o.saved.Define(peers, peer.MaySend, "send images here")

	output := cli.NewGroup("Output")
	output.BoolVar(&v.JSON, "json", false, "one JSON object a line on stdout")
	output.BoolVarP(&v.Quiet, "quiet", "q", false, "no progress, only errors, warnings and results")
	output.BoolVar(&v.Verbose, "verbose", false, "show also the addresses that contain this host's peer ID")
	return []*cli.Group{what, where, archives, line, peers, output}
}
