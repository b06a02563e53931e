package door

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
)

// A console asks the user about one stranger at a time. A line that was typed
// before a question does not answer it. Once a question was withdrawn, the
// answer to it may come late, when the next stranger is asked about: from then
// on an answer must say who is accepted.
type console struct {
	v         *cli.Voice
	in        *os.File
	asking    chan struct{} // holds one while a question is open
	withdrawn bool          // a question was; who asks reads and writes it

	start  sync.Once // of read
	mu     sync.Mutex
	answer chan string // of the question that is open, or nil
	ended  bool        // nothing more can be typed
}

func newConsole(v *cli.Voice, in *os.File) *console {
	return &console{v: v, in: in, asking: make(chan struct{}, 1)}
}

// accepts asks whether the user accepts a stranger, which calls itself host. The
// error is that of ctx, whose end withdraws the question.
func (c *console) accepts(ctx context.Context, from peer.ID, host string) (bool, error) {
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	mark := mark(from)
	question := fmt.Sprintf("accept? [y/N] (%s, peer ...%s)", host, mark)
	if c.withdrawn {
		question = fmt.Sprintf("accept? type %s to accept %s (peer ...%[1]s), or n [N]", mark, host)
	}
	for {
		answer := c.open()
		c.v.Ask(question)
		select {
		case line, ok := <-answer:
			line = strings.TrimSpace(line)
			yes := strings.EqualFold(line, "y") || strings.EqualFold(line, "yes")
			switch {
			case !ok:
				c.v.EndLine()
				return false, nil
			case line == mark:
				return true, nil
			case yes && c.withdrawn:
				c.v.Warn(cli.WarnUnclear, "that may have been meant for another host")
				continue
			}
			return yes, nil
		case <-ctx.Done():
			c.close()
			c.withdrawn = true
			c.v.EndLine()
			return false, ctx.Err()
		}
	}
}

// mark is what an answer tells a peer by: the end of its ID.
func mark(id peer.ID) string {
	s := id.String()
	return s[max(0, len(s)-4):]
}

// open returns where the answer to a new question comes: one line, or none if
// the channel is closed.
func (c *console) open() <-chan string {
	flushInput(c.in)
	answer := make(chan string, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		close(answer)
		return answer
	}
	c.answer = answer
	c.start.Do(func() { go c.read() })
	return answer
}

func (c *console) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = nil
}

// read passes on lines for as long as the program runs: a read from a terminal
// cannot be interrupted. A line that comes while no question is open is dropped.
func (c *console) read() {
	for s := bufio.NewScanner(c.in); s.Scan(); {
		c.mu.Lock()
		if c.answer != nil {
			c.answer <- s.Text()
			c.answer = nil
		}
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.answer != nil {
		close(c.answer)
	}
}
