package peer

import (
	"fmt"

	lpeer "github.com/libp2p/go-libp2p/core/peer"
)

// ParseID reads the text form of an [ID].
func ParseID(s string) (ID, error) {
	id, err := lpeer.Decode(s)
	if err != nil {
		return "", fmt.Errorf("not a peer ID: %w", err)
	}
	return id, nil
}
