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

// A console asks the user about one stranger at a time. It ignores lines typed before the
// question. After a question was withdrawn, its answer may arrive while the user is asked about
// the next stranger. From then on the user must answer with the last four characters of the
// stranger's ID: "y" is not enough.
type console struct {
	v         *cli.Voice
	in        *os.File
	asking    chan struct{} // holds one element while a question is open
	withdrawn bool          // true after the first withdrawn question; guarded by asking

	start  sync.Once // starts read
	mu     sync.Mutex
	answer chan string // receives the answer to the open question; nil if none is open
	ended  bool        // the input has ended
}

func newConsole(v *cli.Voice, in *os.File) *console {
	return &console{v: v, in: in, asking: make(chan struct{}, 1)}
}

// accepts asks the user whether to accept the peer from, which gave host as its name. If ctx
// ends first, accepts withdraws the question and returns the error of ctx. It returns no other
// error.
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

// mark returns the last four characters of an ID, which identify the peer in the user's answer.
func mark(id peer.ID) string {
	s := id.String()
	return s[max(0, len(s)-4):]
}

// open starts a question and returns the channel that receives its answer, one line. The
// channel is closed if the input has ended.
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

// read passes lines to the open question until the input ends, because a read from a terminal
// cannot be interrupted. It drops lines while no question is open.
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
