package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"unicode"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/multiformats/go-multistream"
)

// Kinds of errors of [Dial], for errors.Is. The error itself is a [*DialError].
var (
	// ErrUnreachable: nothing that speaks libp2p answered at that address.
	ErrUnreachable = errors.New("peer is unreachable")
	// ErrWrongKey: a host with another ID than the requested one answered.
	ErrWrongKey = errors.New("another host answered at that address")
	// ErrRefused: the host answered and does not let this host in.
	ErrRefused = errors.New("peer refused this host")
	// ErrBusy: the host lets this host in, but too many streams are waiting there.
	ErrBusy = errors.New("peer is busy")
	// ErrOtherWay: the host serves the other direction: it offers images and receives none, or
	// the reverse. The reason says which program can dial it.
	ErrOtherWay = errors.New("images go the other way there")
	// ErrVersion: the host does not support the requested protocol.
	ErrVersion = errors.New("no common protocol version")
)

// DialError describes a dial that failed.
type DialError struct {
	Target Target
	// Kind is one of the errors above, such as ErrUnreachable.
	Kind error
	// Reason explains the error to the user, such as "connection refused".
	Reason string
	// Self is the ID with which this host dialed.
	Self ID
	// Err is the underlying error of libp2p or the system.
	Err error
}

func (e *DialError) Error() string {
	return fmt.Sprintf("dial %s: %v: %s", e.Target, e.Kind, e.Reason)
}

// Unwrap returns Kind and Err.
func (e *DialError) Unwrap() []error { return []error{e.Kind, e.Err} }

// dialError classifies err, with which a connection or a stream could not be opened.
func dialError(target Target, self ID, proto protocol.ID, err error) *DialError {
	way := wayTo(proto)
	e := &DialError{Target: target, Self: self, Err: err}
	var wrongKey sec.ErrPeerIDMismatch
	var closed *network.ConnError
	var reset *network.StreamError
	var unsupported multistream.ErrNotSupported[protocol.ID]
	switch {
	case errors.As(err, &wrongKey):
		e.Kind, e.Reason = ErrWrongKey, fmt.Sprintf("its ID is %s", wrongKey.Actual)
	case errors.As(err, &closed) && closed.Remote && closed.ErrorCode == network.ConnGated:
		e.Kind, e.Reason = ErrRefused, fmt.Sprintf("it does not know this host, %s", self)
	case errors.As(err, &closed) && closed.Remote && closed.ErrorCode == connNoRight:
		e.Kind, e.Reason = ErrRefused, fmt.Sprintf("it knows this host, %s, but does not let it %s", self, way.may)
	case errors.As(err, &closed) && closed.Remote && closed.ErrorCode == way.other().code:
		e.Kind, e.Reason = ErrOtherWay, way.other().hint
	case errors.As(err, &closed) && closed.Remote && closed.ErrorCode == network.ConnShutdown,
		errors.As(err, &reset) && reset.Remote && reset.ErrorCode == network.StreamShutdown:
		e.Kind, e.Reason = ErrUnreachable, "it is shutting down"
	case errors.As(err, &reset) && reset.Remote && reset.ErrorCode == network.StreamRateLimited,
		errors.As(err, &reset) && reset.Remote && reset.ErrorCode == network.StreamResourceLimitExceeded:
		e.Kind, e.Reason = ErrBusy, "too many transfers are waiting there"
	case errors.As(err, &unsupported):
		e.Kind, e.Reason = ErrVersion, fmt.Sprintf("it does not speak %s", unsupported.Protos)
		if way == toFetch {
			e.Reason += ", so nothing can be fetched there; its release may be too old for that"
		}
	default:
		e.Kind, e.Reason = ErrUnreachable, unreachable(err, way)
	}
	return e
}

// unreachable returns the reason for the user in the most frequent cases.
func unreachable(err error, way *way) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused, nothing listens on that port"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no route to that host"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, network.ErrReset),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "it closed the connection while that was being set up, as if it were no " + way.program
	case errors.Is(err, multistream.ErrIncorrectVersion), errors.Is(err, multistream.ErrTooLarge):
		return "what listens there does not speak libp2p"
	}
	return oneLine(err)
}

// oneLine returns the text of err on one line and without control characters. The text may
// quote what the other side or the user wrote.
func oneLine(err error) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || unicode.IsSpace(r) {
			return r
		}
		return unicode.ReplacementChar
	}, err.Error())
	return strings.Join(strings.Fields(text), " ")
}
