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

// The ways in which [Dial] fails, to be told apart with errors.Is. The error
// itself is a [*DialError].
var (
	// ErrUnreachable: nothing that speaks libp2p answered at that address.
	ErrUnreachable = errors.New("peer is unreachable")
	// ErrWrongKey: a host answered, but not the one whose ID was asked for.
	ErrWrongKey = errors.New("another host answered at that address")
	// ErrRefused: the host answered and does not let this one in.
	ErrRefused = errors.New("peer refused this host")
	// ErrBusy: the host lets this one in, but too many are waiting already.
	ErrBusy = errors.New("peer is busy")
	// ErrOtherWay: the host does the opposite of what it was dialed for: it offers images
	// and takes none, or the other way round. The reason says how to dial it.
	ErrOtherWay = errors.New("images go the other way there")
	// ErrVersion: the host speaks no version of the protocol asked for.
	ErrVersion = errors.New("no common protocol version")
)

// DialError says which dial failed, how, and why in words.
type DialError struct {
	Target Target
	// Kind is one of the Err variables above.
	Kind error
	// Reason is what a person can act on, such as "connection refused".
	Reason string
	// Self is who this host is to the other.
	Self ID
	// Err is the cause from below, in libp2p's or the system's words.
	Err error
}

func (e *DialError) Error() string {
	return fmt.Sprintf("dial %s: %v: %s", e.Target, e.Kind, e.Reason)
}

// Unwrap makes both the kind and the cause visible to errors.Is and errors.As.
func (e *DialError) Unwrap() []error { return []error{e.Kind, e.Err} }

// dialError sorts err, which setting up a connection or a stream ended with.
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
		e.Kind, e.Reason = ErrUnreachable, "it is just ending"
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

// unreachable puts the usual causes into words.
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

// oneLine makes one line, safe to print, of an error from below that may
// span several and quote what the other side or a user wrote.
func oneLine(err error) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || unicode.IsSpace(r) {
			return r
		}
		return unicode.ReplacementChar
	}, err.Error())
	return strings.Join(strings.Fields(text), " ")
}
