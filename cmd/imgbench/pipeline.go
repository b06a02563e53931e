package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/lab"
)

// A stage is one command of a pipeline.
type stage []string

// runPipeline runs commands that read each the output of the one before, and
// returns the time from the start of the first to the end of the last. The bytes
// between stage counted and the next are counted; -1 counts none.
func runPipeline(ctx context.Context, env []string, stages []stage, counted int) (took time.Duration, bytes int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		n   int64
		err error
	}
	var relayed chan result
	var running []*lab.Process
	var errs []error
	var in *os.File // what the next stage reads
	began := time.Now()
	for i, argv := range stages {
		cmd := lab.Command(ctx, argv...)
		cmd.Env = env
		var read, write *os.File
		if in != nil {
			cmd.Stdin = in
		}
		if i < len(stages)-1 {
			if read, write, err = os.Pipe(); err != nil {
				errs = append(errs, err)
				break
			}
			cmd.Stdout = write
		}
		p, err := lab.Start(cmd, stageName(argv))
		closeAll(in, write)
		in = read
		if err != nil {
			errs = append(errs, err)
			break
		}
		running = append(running, p)
		if i == counted {
			read2, write2, err := os.Pipe()
			if err != nil {
				errs = append(errs, err)
				break
			}
			relayed = make(chan result, 1)
			go func() {
				n, err := relay(write2, read)
				relayed <- result{n, err}
			}()
			in = read2
		}
	}
	if len(errs) > 0 {
		closeAll(in)
		cancel()
	}
	for _, p := range running {
		if err := p.Wait(); err != nil {
			errs = append(errs, err)
		}
	}
	took = time.Since(began)
	if relayed != nil {
		r := <-relayed
		bytes = r.n
		if r.err != nil {
			errs = append(errs, fmt.Errorf("pipe: %w", r.err))
		}
	}
	return took, bytes, errors.Join(errs...)
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// stageName returns the program of a stage, without what only says where it
// runs.
func stageName(argv stage) string {
	if len(argv) > 4 && argv[1] == "netns" {
		argv = argv[4:]
	}
	return filepath.Base(argv[0])
}
