package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
)

const exitLimit = 20 * time.Second // for imgrecv to end after imgsend has

// ours is imgsend and imgrecv.
type ours struct{ runner *lab.Runner }

func (*ours) name() string { return "imgsend" }
func (*ours) rival() bool  { return false }
func (*ours) onLink() bool { return true }

func (c *ours) send(ctx context.Context, from, to *throwaway.Engine, image string) (s sample, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lowerPeak()
	recv, addr, err := c.runner.Listen(ctx, to, io.Discard)
	if err != nil {
		return s, err
	}
	defer func() {
		cancel()
		<-recv.Done()
	}()
	began := time.Now()
	send, err := c.runner.Send(ctx, from, addr, nil, image)
	if err != nil {
		return s, err
	}
	err = send.Wait()
	s.took = time.Since(began)
	if err != nil {
		return s, err
	}
	select {
	case <-recv.Done():
	case <-time.After(exitLimit):
		return s, errors.New("imgrecv does not end")
	}
	if err := recv.Wait(); err != nil {
		return s, err
	}
	s.sendPeak, s.recvPeak, s.floor = send.Peak(), recv.Peak(), ownPeak()
	s.sendCPU, s.recvCPU = send.CPU(), recv.CPU()
	return s, nil
}
