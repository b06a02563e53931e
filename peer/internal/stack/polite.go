package stack

import (
	"io"
	"net"
	"sync"
	"time"
)

// politeTimeout is how long an accepted connection waits for the other side to
// hang up once this side has.
const politeTimeout = time.Second

// politeListener makes its connections politeConns.
type politeListener struct{ net.Listener }

func (l politeListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &politeConn{Conn: conn, closed: make(chan struct{})}, nil
}

// politeConn is an accepted TCP connection that lets the dialer hang up first.
// A socket that is closed while the dialer is still sending answers with a TCP
// reset, and that can keep the dialer from reading what came before it: a
// refused dialer would take the refusal for a broken connection.
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

// Close ends what this side sends, and closes the connection when the other
// side has done so too, or is overdue.
func (c *politeConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		if tcp, ok := c.Conn.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
			// A Read that goes on elsewhere ends with this deadline or with
			// what it reads; either way it reports the connection as closed.
			_ = tcp.SetReadDeadline(time.Now().Add(politeTimeout))
			_, _ = io.Copy(io.Discard, struct{ io.Reader }{tcp})
		}
		c.err = c.Conn.Close()
	})
	return c.err
}
