// Imgdemo shows imgsend and imgrecv at work on this machine, in seconds:
//
//	go run ./cmd/imgdemo
//
// It takes the engine of this machine as the sending one, or a throwaway engine
// where there is none, starts a throwaway engine to receive, makes a small image,
// sends it, changes a layer, and sends it again. Whatever it made is removed at
// the end. A throwaway engine takes root and dockerd or podman; where there is
// none, an OCI layout folder takes its place.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/throwaway"
)

func main() { os.Exit(run()) }

const usage = `Usage: imgdemo

Sends a small image from this machine's engine, or a throwaway one where there is
none, to a throwaway engine, changes a layer, and sends it again. Whatever it
makes is removed at the end. It takes no arguments.
`

func run() int {
	if len(os.Args) > 1 {
		fmt.Fprint(os.Stderr, usage)
		if os.Args[1] == "-h" || os.Args[1] == "--help" {
			return 0
		}
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := demo(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "imgdemo: error:", err)
	return 1
}

func say(format string, args ...any) { fmt.Printf("\n# "+format+"\n", args...) }

func demo(ctx context.Context) (err error) {
	to, stopTo, err := receiver(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopTo()) }()
	from, stopFrom, err := sender(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopFrom()) }()
	return show(ctx, from, to)
}

// show sends both versions of the image.
func show(ctx context.Context, from, to side) (err error) {
	say("building imgsend and imgrecv")
	p, err := build(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(p.dir)) }()

	v1, v2 := images()
	say("%s: an image of 24 MB in three layers, made for this", v1.Ref)
	if err := from.load(ctx, v1); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.remove(v1.Ref)) }()
	if err := p.send(ctx, from, to, v1.Ref); err != nil {
		return err
	}
	say("%s: the same with the top layer changed, 2 MB; the others are there by now", v2.Ref)
	if err := from.load(ctx, v2); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.remove(v2.Ref)) }()
	if err := p.send(ctx, from, to, v2.Ref); err != nil {
		return err
	}
	say("what the receiving side has now")
	if err := to.list(ctx); err != nil {
		return err
	}
	say("cleaning up; on two hosts of yours it is imgrecv there and imgsend IMAGE --to CODE here")
	return nil
}

// images are two versions of one image.
func images() (v1, v2 throwaway.Image) {
	base := throwaway.Layer{Size: 18_000_000, Seed: 1, Kind: throwaway.Text, Files: 200}
	libs := throwaway.Layer{Size: 4_000_000, Seed: 2, Kind: throwaway.Text, Files: 40}
	app := func(seed uint64) throwaway.Layer {
		return throwaway.Layer{Size: 2_000_000, Seed: seed, Kind: throwaway.Text, Files: 5}
	}
	v1 = throwaway.Image{Ref: "imgsend-demo:1.0", Layers: []throwaway.Layer{base, libs, app(3)}, Cmd: []string{"/app"}}
	v2 = throwaway.Image{Ref: "imgsend-demo:2.0", Layers: []throwaway.Layer{base, libs, app(4)}, Cmd: []string{"/app"}}
	return v1, v2
}

// receiver starts the engine to send to.
func receiver(ctx context.Context) (side, func() error, error) {
	specs, _ := throwaway.Available(os.Getenv("IMGSEND_ENGINES"))
	if len(specs) == 0 {
		return newStore("receiver")
	}
	return start(ctx, specs[0], "receiver")
}

// sender finds this machine's engine, or starts one.
func sender(ctx context.Context) (side, func() error, error) {
	e, err := docker.Find(ctx, "")
	if err == nil {
		say("sender: %s at %s, this machine's own; the demo's image is removed from it at the end", e, e.Endpoint().Host)
		return &host{addr: e.Endpoint().Host}, e.Close, nil
	}
	specs, _ := throwaway.Available(os.Getenv("IMGSEND_ENGINES"))
	if len(specs) == 0 {
		return newStore("sender")
	}
	return start(ctx, specs[0], "sender")
}

func start(ctx context.Context, s throwaway.Spec, role string) (side, func() error, error) {
	t, err := throwaway.Start(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	say("%s: a throwaway engine, %s, with data of its own that is gone afterwards", role, s.Name)
	return &host{addr: t.Host()}, t.Stop, nil
}
