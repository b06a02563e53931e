package peer

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"errors"

	"github.com/gtank/ristretto255"
)

// CPace, the balanced PAKE that the IRTF's CFRG selected, in the cipher suite
// CPACE-RISTR255-SHA512, initiator-responder setting, of
// draft-irtf-cfrg-cpace. The group, with its mapping of hashes to elements and
// its checks of what the other side sends, is ristretto255 (RFC 9496) from
// package ristretto255; what is here is the few lines around it, in the
// draft's order and held to the draft's test vectors.
const (
	cpaceDSI = "CPaceRistretto255"

	// cpaceShare is the length of the message of each side, in bytes.
	cpaceShare = 32
)

// errBadShare means that the other side sent what no honest one sends: no
// group element, or the neutral one.
var errBadShare = errors.New("key exchange with an element that is not valid")

// cpace is one side of one exchange.
type cpace struct {
	sid    []byte
	scalar *ristretto255.Scalar
	share  []byte // what to send
}

// newCPace starts an exchange with the secret, the context that both sides
// must agree on, and an ID of the session.
func newCPace(secret, context, sid []byte) (*cpace, error) {
	// 64 random bytes reduced modulo the order of the group are uniform.
	random := make([]byte, 64)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	scalar, err := ristretto255.NewScalar().SetUniformBytes(random)
	if err != nil {
		return nil, err
	}
	return newCPaceWith(secret, context, sid, scalar)
}

func newCPaceWith(secret, context, sid []byte, scalar *ristretto255.Scalar) (*cpace, error) {
	hash := sha512.Sum512(cpaceGeneratorString(secret, context, sid))
	generator, err := ristretto255.NewIdentityElement().SetUniformBytes(hash[:])
	if err != nil {
		return nil, err
	}
	share := ristretto255.NewIdentityElement().ScalarMult(scalar, generator).Bytes()
	return &cpace{sid: sid, scalar: scalar, share: share}, nil
}

// cpaceGeneratorString pads the secret so that it has a block of the hash to
// itself.
func cpaceGeneratorString(secret, context, sid []byte) []byte {
	first := lvCat([]byte(cpaceDSI), secret)
	padding := max(0, sha512.BlockSize-1-len(first))
	return append(first, lvCat(make([]byte, padding), context, sid)...)
}

// key returns the 64 bytes that both sides share if their secrets, contexts
// and sessions are the same. theirs is the share that came; initiator and
// responder are each side's share and what else that side is to be bound to.
func (c *cpace) key(theirs []byte, initiatorShare, initiatorData, responderShare, responderData []byte) ([]byte, error) {
	element, err := ristretto255.NewIdentityElement().SetCanonicalBytes(theirs)
	if err != nil {
		return nil, errBadShare
	}
	point := ristretto255.NewIdentityElement().ScalarMult(c.scalar, element)
	if point.Equal(ristretto255.NewIdentityElement()) == 1 {
		return nil, errBadShare
	}
	hash := sha512.New()
	hash.Write(lvCat([]byte(cpaceDSI+"_ISK"), c.sid, point.Bytes()))
	hash.Write(lvCat(initiatorShare, initiatorData))
	hash.Write(lvCat(responderShare, responderData))
	return hash.Sum(nil), nil
}

// lvCat joins parts, each behind its length, so that no two lists of parts
// have the same outcome.
func lvCat(parts ...[]byte) []byte {
	var out []byte
	for _, part := range parts {
		out = binary.AppendUvarint(out, uint64(len(part)))
		out = append(out, part...)
	}
	return out
}
