package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/docker/docker/api/types/versions"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

// dockerd serves gRPC on its API socket: BuildKit, and since Docker 24 the content
// store of its containerd image store. The way in is HTTP/2 without TLS of its
// own: directly since API 1.53, and before that by an upgrade of POST /grpc, which
// 29 still serves (seen on 20.10.24, 26.1.5, 28.5.2 and 29).
const (
	plainGRPCAPI = "1.53"
	// grpcTimeout bounds the beginning of a connection, and short questions.
	grpcTimeout = 10 * time.Second
	// grpcWindow is how much of an answer may be under way, in bytes. A content
	// store answers in messages of 1 MiB.
	grpcWindow = 4 << 20
)

// A grpcLink is the gRPC connection to an engine, made when it is first needed.
// The zero value is ready.
type grpcLink struct {
	mu   sync.Mutex
	conn *grpc.ClientConn
}

// grpc returns the connection. It fails where the engine serves none, as
// Podman and most proxies in front of an API socket.
func (e *Engine) grpc(ctx context.Context) (*grpc.ClientConn, error) {
	e.link.mu.Lock()
	defer e.link.mu.Unlock()
	if e.link.conn != nil {
		return e.link.conn, nil
	}
	plain := func(ctx context.Context, _ string) (net.Conn, error) { return e.api.Dialer()(ctx) }
	upgraded := func(ctx context.Context, _ string) (net.Conn, error) {
		return e.api.DialHijack(ctx, "/grpc", "h2c", nil)
	}
	first, second := upgraded, plain
	if versions.GreaterThanOrEqualTo(e.version, plainGRPCAPI) {
		first, second = plain, upgraded
	}
	conn, err := dialGRPC(ctx, first)
	if err != nil && ctx.Err() == nil {
		var again error
		if conn, again = dialGRPC(ctx, second); again != nil {
			err = errors.Join(err, again)
		} else {
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the engine serves no gRPC: %w", err)
	}
	e.link.conn = conn
	return conn, nil
}

func (l *grpcLink) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

// dialGRPC connects, and returns when the other side has answered in HTTP/2.
func dialGRPC(ctx context.Context, dial func(context.Context, string) (net.Conn, error)) (*grpc.ClientConn, error) {
	failure := &dialFailure{dial: dial}
	conn, err := grpc.NewClient("passthrough:///engine",
		grpc.WithContextDialer(failure.Dial),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(grpcWindow), grpc.WithInitialConnWindowSize(grpcWindow),
		grpc.WithDisableServiceConfig())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, grpcTimeout)
	defer cancel()
	conn.Connect()
	for {
		state := conn.GetState()
		if state == connectivity.Ready {
			return conn, nil
		}
		if state == connectivity.TransientFailure || !conn.WaitForStateChange(ctx, state) {
			_ = conn.Close()
			return nil, failure.reason(ctx)
		}
	}
}

// A dialFailure dials and remembers why it last failed, which grpc tells only to
// calls.
type dialFailure struct {
	dial func(context.Context, string) (net.Conn, error)
	mu   sync.Mutex
	err  error
}

func (f *dialFailure) Dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := f.dial(ctx, addr)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	return conn, err
}

func (f *dialFailure) reason(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.err != nil:
		return f.err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return errors.New("it does not speak HTTP/2 there")
}
