package peer

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	goyamux "github.com/libp2p/go-yamux/v5"
	ma "github.com/multiformats/go-multiaddr"
)

// closeTimeout is how long [Stream.Close] waits for the other side.
const closeTimeout = 3 * time.Second

// resetTimeout is how long [Stream.Reset] may take to tell the other side.
const resetTimeout = 200 * time.Millisecond

// Stream is an encrypted stream of bytes between this host and a peer that has
// proven its key. There is one stream to a connection. One goroutine
// may read while another writes; any may Reset.
type Stream struct {
	stream network.Stream
	key    crypto.PrivKey // by which this side has dialed; nil if it was dialed
	free   func()         // what belongs to the stream alone; called once, may be nil

	sawEOF   atomic.Bool // the peer closed its side
	finFirst atomic.Bool // this side closed for writing before the peer did
	ended    sync.Once
}

// Peer returns who is at the other end.
func (s *Stream) Peer() ID { return s.stream.Conn().RemotePeer() }

// Key returns the key by which this side has dialed, to dial again as the same one.
func (s *Stream) Key() crypto.PrivKey { return s.key }

// RemoteAddr returns where the peer is connected from or was dialed at.
func (s *Stream) RemoteAddr() ma.Multiaddr { return s.stream.Conn().RemoteMultiaddr() }

// Protocol returns the protocol ID agreed on, such as "/imgsend/transfer/1". On
// an accepted stream the dialer chose it: it starts with [ProtocolFamily] or
// [FetchFamily], as the host listens for, and the version after that may be any.
func (s *Stream) Protocol() string { return string(s.stream.Protocol()) }

// Read returns io.EOF only if the peer closed the stream for writing; a lost
// connection or a reset is another error.
func (s *Stream) Read(p []byte) (int, error) {
	n, err := s.stream.Read(p)
	if err == io.EOF {
		s.sawEOF.Store(true)
	}
	return n, broken(err)
}

// Write returns when p is queued, which is not yet delivered. It waits while
// the peer does not read.
func (s *Stream) Write(p []byte) (int, error) {
	n, err := s.stream.Write(p)
	return n, broken(err)
}

// A brokenError says in one clause that a stream has broken; libp2p says it once for
// each of its layers.
type brokenError struct {
	error
	remote bool
}

func (e *brokenError) Error() string {
	if e.remote {
		return "the other side reset it"
	}
	return "it was reset"
}

func (e *brokenError) Unwrap() error { return e.error }

// broken returns the error of a stream that was reset in fewer words, and any other as
// it is.
func broken(err error) error {
	var stream *network.StreamError
	var conn *network.ConnError
	switch {
	case errors.As(err, &stream):
		return &brokenError{err, stream.Remote}
	case errors.As(err, &conn):
		return &brokenError{err, conn.Remote}
	}
	return err
}

// CloseWrite tells the peer that nothing more will come: its Read returns
// io.EOF after what was written. Reading goes on.
func (s *Stream) CloseWrite() error {
	if !s.sawEOF.Load() {
		s.finFirst.Store(true)
	}
	return s.stream.CloseWrite()
}

// SetReadDeadline sets the deadline of reads, as in net.Conn: the error of a
// missed one is a net.Error whose Timeout is true, and the stream stays good.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.stream.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of writes, as in net.Conn.
func (s *Stream) SetWriteDeadline(t time.Time) error { return s.stream.SetWriteDeadline(t) }

// Close ends the stream and its connection in good order: it closes the
// stream for writing, throws away what the peer still sends, and waits until
// the peer has closed too, so that all that was written has arrived there. It
// takes a few seconds at most and returns an error only if the stream was
// broken before. A Read
// or Write under way elsewhere should be over by then, or else Reset is the way
// to end it.
func (s *Stream) Close() error {
	var err error
	s.ended.Do(func() {
		conn := s.stream.Conn()
		// However stuck the connection is, this ends the calls below.
		overdue := time.AfterFunc(closeTimeout, func() { conn.Close() })
		defer overdue.Stop()
		err = s.CloseWrite()
		if err == nil {
			_ = s.stream.SetReadDeadline(time.Time{})
			_, _ = io.Copy(io.Discard, s)
			if !s.finFirst.Load() {
				// The peer closed first. What was written after that has
				// arrived when the peer, which must still read it, hangs up.
				<-hungUp(conn)
			}
		}
		s.release()
	})
	return err
}

// Reset ends the stream and its connection at once. What was not delivered is
// lost, and the peer's reads and writes fail.
func (s *Stream) Reset() error {
	conn := s.stream.Conn()
	// The word that it is reset waits for room on a line that takes nothing.
	overdue := time.AfterFunc(resetTimeout, func() { conn.Close() })
	defer overdue.Stop()
	err := s.stream.Reset()
	conn.Close() // ends a Close that is under way
	s.ended.Do(s.release)
	return err
}

func (s *Stream) release() {
	_ = s.stream.Reset() // frees its place; sends nothing after a close
	s.stream.Conn().Close()
	if s.free != nil {
		s.free()
	}
}

// hungUp returns a channel that is closed when conn is.
func hungUp(conn network.Conn) <-chan struct{} {
	var session *goyamux.Session
	if conn.As(&session) {
		return session.CloseChan()
	}
	closed := make(chan struct{})
	close(closed)
	return closed
}
