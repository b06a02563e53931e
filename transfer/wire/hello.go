package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// hello sends mine and reads the other side's hello into c.peer. If the versions differ,
// its error names both programs and versions. It fails after twice the idle time, even
// if the other side keeps sending.
func (c *conn) hello(ctx context.Context, mine Hello) error {
	limited, cancel := context.WithTimeout(ctx, 2*c.idle)
	defer cancel()
	c.hurry(time.Now().Add(c.idle))
	ended := make(chan struct{})
	stop := context.AfterFunc(limited, func() {
		defer close(ended)
		if ctx.Err() != nil {
			c.fail(&transfer.Error{Kind: transfer.KindInterrupted, Err: errors.New("interrupted")})
		} else {
			c.fail(transfer.Broken("the other side has not said hello for %v", 2*c.idle))
		}
		c.hurry(past)
	})
	mine.Protocol, mine.Features, mine.Retry = Protocol, c.knows(), int(c.resume.retry.Seconds())
	// Write concurrently, so that two sides that both write first do not block each other.
	wrote := make(chan error, 1)
	go func() { wrote <- c.writeJSON(context.Background(), frameHello, mine) }()
	err := c.readHello()
	if err != nil {
		c.hurry(time.Now().Add(lingerTime))
	}
	if werr := <-wrote; err == nil {
		err = werr
	}
	if !stop() {
		<-ended
		return c.err
	}
	if errors.Is(err, errClosed) {
		err = c.err
	}
	if err == nil && c.peer.Protocol != Protocol {
		err = &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%s speaks version %d of the protocol, %s version %d",
			c.peer.Program, c.peer.Protocol, mine.Program, Protocol), Hint: "use the same release on both hosts"}
	}
	if err == nil {
		c.enter(open)
		c.hurry(time.Time{})
	}
	return err
}

// has reports whether both sides support a feature.
func (c *conn) has(feature string) bool { return slices.Contains(c.features, feature) }

func (c *conn) readHello() error {
	t, n, err := c.header()
	if err != nil {
		return err
	}
	if t != frameHello {
		return transfer.Broken("frame type %d where a hello belongs", t)
	}
	if err := c.json(t, n, &c.peer); err != nil {
		return err
	}
	c.peer.clean()
	c.features = common(c.knows(), c.peer.Features)
	return nil
}

// knows returns the features that this side announces.
func (c *conn) knows() []string {
	if c.resume.retry <= 0 {
		return features
	}
	return append(slices.Clip(features), featureResume)
}
