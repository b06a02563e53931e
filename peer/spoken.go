package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify/pb"
	"google.golang.org/protobuf/proto"
)

const (
	identifyProtocol = protocol.ID("/ipfs/id/1.0.0")

	// maxIdentify bounds the identify message that is read, in bytes.
	maxIdentify = 64 << 10
)

// spoken says in words which versions of our protocol the other side speaks,
// as far as it can be brought to tell: a host with libp2p's identify protocol
// lists what it speaks when asked.
func spoken(ctx context.Context, conn network.Conn) string {
	protocols, err := askProtocols(ctx, conn)
	if err != nil {
		return "does not say what it speaks"
	}
	protocols = slices.DeleteFunc(protocols, func(p string) bool { return !isTransfer(protocol.ID(p)) })
	if len(protocols) == 0 {
		return "is no imgrecv: it speaks no version of " + ProtocolFamily
	}
	slices.Sort(protocols)
	return strings.Join(slices.Compact(protocols), ", ")
}

func askProtocols(ctx context.Context, conn network.Conn) ([]string, error) {
	stream, err := negotiate(ctx, conn, identifyProtocol)
	if err != nil {
		return nil, err
	}
	defer func() { _ = stream.Reset() }()
	defer context.AfterFunc(ctx, func() { _ = stream.Reset() })()
	data, err := io.ReadAll(io.LimitReader(stream, maxIdentify))
	if err != nil {
		return nil, err
	}
	length, n := binary.Uvarint(data)
	if n <= 0 || length > uint64(len(data)-n) {
		return nil, errors.New("identify message is cut short")
	}
	var message pb.Identify
	if err := proto.Unmarshal(data[n:n+int(length)], &message); err != nil {
		return nil, fmt.Errorf("decode identify message: %w", err)
	}
	return message.GetProtocols(), nil
}

// isTransfer reports whether p is some version of our protocol, known or not,
// and fit to be shown: the other side chose its text.
func isTransfer(p protocol.ID) bool {
	version, ok := strings.CutPrefix(string(p), ProtocolFamily)
	if !ok || version == "" || len(p) > maxProtocolID {
		return false
	}
	for _, r := range version {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '.' && r != '-' {
			return false
		}
	}
	return true
}
