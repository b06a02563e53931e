package transfer

import (
	"context"
	"fmt"
	"time"
)

// hello exchanges the first frames. The version is refused in words, so that
// both users learn who has to update.
func (c *conn) hello(ctx context.Context, mine Hello) error {
	_ = c.s.SetWriteDeadline(time.Now().Add(c.idle))
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		c.cut.Store(true)
		past := time.Unix(1, 0)
		_ = c.s.SetReadDeadline(past)
		_ = c.s.SetWriteDeadline(past)
	})
	mine.Protocol = Protocol
	// Neither side needs the other to read first.
	wrote := make(chan error, 1)
	go func() { wrote <- c.writeJSON(context.Background(), frameHello, mine) }()
	err := c.readHello()
	if err != nil {
		_ = c.s.SetWriteDeadline(time.Now().Add(lingerTime))
	}
	if werr := <-wrote; err == nil {
		err = werr
	}
	if !stop() {
		<-done
		c.cut.Store(false)
		return &Error{Kind: KindInterrupted, Err: errInterrupted}
	}
	if err == nil && c.peer.Protocol != Protocol {
		err = &Error{Kind: KindRefused, Err: fmt.Errorf("%s speaks version %d of the protocol, %s version %d",
			c.peer.Program, c.peer.Protocol, mine.Program, Protocol), Hint: "use the same release on both hosts"}
	}
	if err == nil {
		_ = c.s.SetWriteDeadline(time.Time{})
	}
	return err
}

func (c *conn) readHello() error {
	t, n, err := c.header()
	if err != nil {
		return err
	}
	if t != frameHello {
		return broken("frame type %d where a hello belongs", t)
	}
	if err := c.json(n, &c.peer); err != nil {
		return err
	}
	c.peer.clean()
	return nil
}
