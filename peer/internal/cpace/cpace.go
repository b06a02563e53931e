package cpace

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"errors"

	"github.com/gtank/ristretto255"
)

// ShareSize is the length of a share, in bytes.
const ShareSize = 32

// dsi is the domain separation string of the cipher suite.
const dsi = "CPaceRistretto255"

// ErrBadShare means that the other side sent a share that no honest side sends: an invalid
// encoding of a group element, or the neutral element.
var ErrBadShare = errors.New("invalid share in the key exchange")

// Exchange is one side of one key exchange.
type Exchange struct {
	sid    []byte
	scalar *ristretto255.Scalar
	share  []byte
}

// New starts an exchange. secret is the low-entropy secret that both sides must know (PRS in
// the draft), context is the data on which they must agree (CI), and sid is the ID of the
// session.
func New(secret, context, sid []byte) (*Exchange, error) {
	// 64 random bytes reduced modulo the order of the group are uniform.
	random := make([]byte, 64)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	scalar, err := ristretto255.NewScalar().SetUniformBytes(random)
	if err != nil {
		return nil, err
	}
	return newWithScalar(secret, context, sid, scalar)
}

func newWithScalar(secret, context, sid []byte, scalar *ristretto255.Scalar) (*Exchange, error) {
	hash := sha512.Sum512(generatorString(secret, context, sid))
	generator, err := ristretto255.NewIdentityElement().SetUniformBytes(hash[:])
	if err != nil {
		return nil, err
	}
	share := ristretto255.NewIdentityElement().ScalarMult(scalar, generator).Bytes()
	return &Exchange{sid: sid, scalar: scalar, share: share}, nil
}

// generatorString returns the input of the hash for the generator. It pads the domain
// separation string and the secret to a whole block of the hash, as the draft requires.
func generatorString(secret, context, sid []byte) []byte {
	first := Concat([]byte(dsi), secret)
	padding := max(0, sha512.BlockSize-1-len(first))
	return append(first, Concat(make([]byte, padding), context, sid)...)
}

// Share returns the share to send: [ShareSize] bytes.
func (e *Exchange) Share() []byte { return e.share }

// Side is the share that one side sent and its associated data.
type Side struct {
	Share []byte
	Data  []byte // AD in the draft
}

// Key returns 64 bytes that are equal on both sides if their secrets, contexts and session IDs
// are equal. theirs is the share of the other side. The only error is [ErrBadShare].
func (e *Exchange) Key(theirs []byte, initiator, responder Side) ([]byte, error) {
	element, err := ristretto255.NewIdentityElement().SetCanonicalBytes(theirs)
	if err != nil {
		return nil, ErrBadShare
	}
	point := ristretto255.NewIdentityElement().ScalarMult(e.scalar, element)
	if point.Equal(ristretto255.NewIdentityElement()) == 1 {
		return nil, ErrBadShare
	}
	hash := sha512.New()
	hash.Write(Concat([]byte(dsi+"_ISK"), e.sid, point.Bytes()))
	hash.Write(Concat(initiator.Share, initiator.Data))
	hash.Write(Concat(responder.Share, responder.Data))
	return hash.Sum(nil), nil
}

// Concat joins parts, each after its length, so different lists of parts give different bytes
// (lv_cat in the draft).
func Concat(parts ...[]byte) []byte {
	var out []byte
	for _, part := range parts {
		out = binary.AppendUvarint(out, uint64(len(part)))
		out = append(out, part...)
	}
	return out
}
