package wire

import (
	"context"
	"errors"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// farewell ends the stream. If err is nil it sends bye. Otherwise it sends the error,
// unless the error came from the other side. It waits up to lingerTime for the other
// side to end the stream, closes the stream, and waits for all goroutines. If the line
// is lost, the end that dialed then dials once more to send the error.
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

// reject ends a stream whose hello failed and that no goroutine reads yet.
func (c *conn) reject(err error) {
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		defer close(c.drained)
		c.drain()
	}()
	c.farewell(err)
}

// shut closes the stream and waits for the conn's goroutines.
func (c *conn) shut() {
	c.enter(closed)
	if l := c.current(); l != nil {
		_ = l.SetWriteDeadline(past)
		_ = l.Close()
	}
	c.fail(errClosed)
	c.wg.Wait()
}

// drain reads and discards until the stream ends. If this side closed the stream with
// unread data, the other side could lose the last frame that this side sent.
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
