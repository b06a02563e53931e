package stack

import (
	"io"
	"net"
	"sync"
	"time"
)

// politeTimeout is how long Close of an accepted connection waits until the dialer has closed
// it.
const politeTimeout = time.Second

// politeListener accepts politeConns.
type politeListener struct{ net.Listener }

func (l politeListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &politeConn{Conn: conn, closed: make(chan struct{})}, nil
}

// politeConn is an accepted TCP connection that lets the dialer close first. If a socket is
// closed while the dialer still sends, the kernel answers with a TCP reset, after which the
// dialer may not be able to read data sent before: a refused dialer would see a broken
// connection instead of the refusal.
type politeConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{} // closed when Close begins
	err    error
}

func (c *politeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

// Close closes the connection for writing, and then completely when the dialer has closed it or
// after politeTimeout.
func (c *politeConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		if tcp, ok := c.Conn.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
			// A Read in another goroutine ends at this deadline or with data, and returns
			// net.ErrClosed in both cases.
			_ = tcp.SetReadDeadline(time.Now().Add(politeTimeout))
			_, _ = io.Copy(io.Discard, struct{ io.Reader }{tcp})
		}
		c.err = c.Conn.Close()
	})
	return c.err
}
