// Imgrecv receives container images that imgsend sends from another host.
package main

import (
	"context"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/door"
	"github.com/imgsend/imgsend/peer"
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
	home, book, done, err := cli.OpenState(ctx, v, o.name, o.saved)
	if err != nil || done {
		return err
	}
	if o.from != "" {
		return fetch(ctx, v, o, home, book)
	}
	d, err := door.New(door.Config{Way: door.Send, Voice: v, Book: book, Name: o.name, Allow: o.allow, Yes: o.yes, Code: o.code, Keep: o.keep,
		Remember: !o.noRemember})
	if err != nil {
		return err
	}
	key, err := peer.LoadIdentity(home)
	if err != nil {
		return err
	}
	into, err := o.target(ctx, v)
	if err != nil {
		return err
	}
	defer into.Close()
	cli.SayStore(v, "into", into)
	host, err := peer.Listen(ctx, key, peer.ListenConfig{Addr: o.listen, Policy: d.Policy()})
	if err != nil {
		return err
	}
	defer host.Close()
	r := &receiver{v: v, o: o, into: into, door: d, book: book}
	return d.Serve(ctx, host, func(ctx context.Context) error { return r.run(ctx, host) })
}
