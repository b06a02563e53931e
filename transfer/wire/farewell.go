package wire

import (
	"context"
	"errors"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// farewell ends the stream. With a nil error it says bye; else it tells the
// other side what happened, unless it was told by it. It waits a moment for the
// other side to have heard, then closes and waits for all goroutines. Where the line is
// lost, it makes one more try to come back and tell.
func (c *conn) farewell(err error) {
	c.enter(parting)
	c.hurry(time.Now().Add(lingerTime))
	var e *transfer.Error
	switch {
	case err == nil:
		_ = c.write(context.Background(), bareFrame(frameBye))
	case errors.As(err, &e) && e.Remote:
	default:
		if b, err := marshalFrame(frameError, toFailure(err)); err == nil {
			_ = c.write(context.Background(), b)
		}
		c.fail(err)
	}
	if l := c.current(); l != nil {
		l.closeWrite()
	}
	select {
	case <-c.drained:
	case <-time.After(lingerTime):
	}
	lost := c.Lost()
	c.shut()
	if lost && c.resume.again != nil && err != nil && (e == nil || !e.Remote && e.Kind != transfer.KindBroken) {
		c.goodbye(err)
	}
}

// reject ends a stream whose hello failed, before anybody reads it.
func (c *conn) reject(err error) {
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		defer close(c.drained)
		c.drain()
	}()
	c.farewell(err)
}

// shut closes the stream and waits for its goroutines.
func (c *conn) shut() {
	c.enter(closed)
	if l := c.current(); l != nil {
		_ = l.SetWriteDeadline(past)
		_ = l.Close()
	}
	c.fail(errClosed)
	c.wg.Wait()
}

// drain reads on, for the sake of a peer that must not be cut off before it
// has read the last frame, until the stream ends.
func (c *conn) drain() {
	c.mu.Lock()
	c.draining = true
	c.mu.Unlock()
	buf := make([]byte, 32<<10)
	for {
		if _, err := c.r.Read(buf); err != nil {
			return
		}
	}
}
