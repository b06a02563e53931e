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

// resetTimeout is how long [Stream.Reset] may take to send the reset.
const resetTimeout = 200 * time.Millisecond

// Stream is an encrypted stream of bytes to a peer that has proven its key. Each stream has a
// connection of its own. One goroutine may read while another writes. Reset may be called from
// any goroutine.
type Stream struct {
	stream network.Stream
	key    crypto.PrivKey // the key with which this side dialed; nil for an accepted stream
	free   func()         // frees what only this stream uses; called once; may be nil

	sawEOF   atomic.Bool // the peer closed the stream for writing
	finFirst atomic.Bool // this side closed for writing before the peer did
	ended    sync.Once
}

// Peer returns the ID of the peer.
func (s *Stream) Peer() ID { return s.stream.Conn().RemotePeer() }

// Key returns the key with which this side dialed, to dial again with the same ID. It is nil
// for an accepted stream.
func (s *Stream) Key() crypto.PrivKey { return s.key }

// RemoteAddr returns the address of the peer in this connection.
func (s *Stream) RemoteAddr() ma.Multiaddr { return s.stream.Conn().RemoteMultiaddr() }

// Protocol returns the negotiated protocol ID, such as "/imgsend/transfer/1". On an accepted
// stream the dialer chose it: it starts with [ProtocolFamily], or with [FetchFamily] if the
// host offers images, and its version may be unknown.
func (s *Stream) Protocol() string { return string(s.stream.Protocol()) }

// Read returns io.EOF only if the peer closed the stream for writing. A lost connection and a
// reset are other errors.
func (s *Stream) Read(p []byte) (int, error) {
	n, err := s.stream.Read(p)
	if err == io.EOF {
		s.sawEOF.Store(true)
	}
	return n, broken(err)
}

// Write returns when p is queued for sending, which does not mean that it was delivered. It
// blocks while the peer does not read.
func (s *Stream) Write(p []byte) (int, error) {
	n, err := s.stream.Write(p)
	return n, broken(err)
}

// A brokenError describes a broken stream briefly; libp2p's error repeats the cause for each of
// its layers.
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

// broken returns the error of a stream that was reset as a brokenError, and any other error
// unchanged.
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

// CloseWrite closes the stream for writing: the peer's Read returns io.EOF after the data
// written so far. Reading is still possible.
func (s *Stream) CloseWrite() error {
	if !s.sawEOF.Load() {
		s.finFirst.Store(true)
	}
	return s.stream.CloseWrite()
}

// SetReadDeadline sets the deadline of reads, as in net.Conn. The error after the deadline is a
// net.Error whose Timeout is true, and the stream can still be used.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.stream.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of writes, as in net.Conn.
func (s *Stream) SetWriteDeadline(t time.Time) error { return s.stream.SetWriteDeadline(t) }

// Close ends the stream and its connection after all data written was delivered. It closes the
// stream for writing, discards what the peer still sends, and waits until the peer has closed
// too. It takes a few seconds at most, and returns an error only if the stream was broken
// before. No Read or Write may be in progress; Reset ends a stream while one is.
func (s *Stream) Close() error {
	var err error
	s.ended.Do(func() {
		conn := s.stream.Conn()
		// This ends the calls below even if the connection is stuck.
		overdue := time.AfterFunc(closeTimeout, func() { conn.Close() })
		defer overdue.Stop()
		err = s.CloseWrite()
		if err == nil {
			_ = s.stream.SetReadDeadline(time.Time{})
			_, _ = io.Copy(io.Discard, s)
			if !s.finFirst.Load() {
				// The peer closed first. Data written after that has been delivered when the
				// peer, which must still read it, closes the connection.
				<-hungUp(conn)
			}
		}
		s.release()
	})
	return err
}

// Reset ends the stream and its connection at once. Data not yet delivered is lost, and the
// peer's reads and writes fail.
func (s *Stream) Reset() error {
	conn := s.stream.Conn()
	// Sending the reset blocks while the connection accepts no data.
	overdue := time.AfterFunc(resetTimeout, func() { conn.Close() })
	defer overdue.Stop()
	err := s.stream.Reset()
	conn.Close() // ends a Close in progress
	s.ended.Do(s.release)
	return err
}

func (s *Stream) release() {
	_ = s.stream.Reset() // releases its resources; sends nothing after a close
	s.stream.Conn().Close()
	if s.free != nil {
		s.free()
	}
}

// hungUp returns a channel that is closed when conn is closed.
func hungUp(conn network.Conn) <-chan struct{} {
	var session *goyamux.Session
	if conn.As(&session) {
		return session.CloseChan()
	}
	closed := make(chan struct{})
	close(closed)
	return closed
}
