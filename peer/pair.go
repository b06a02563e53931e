package peer

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/imgsend/imgsend/peer/internal/cpace"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
)

// PairProtocol is the ID of the protocol by which two hosts prove to each other that they know
// the same [Code].
//
// The protocol runs on a connection whose two sides have proven their keys. Each message is a
// byte for its kind, the length of its body in two bytes (big-endian), and the body. The
// messages are sent in this order:
//
//	dialer    open       number of the code (2 bytes), nonce (16)
//	listener  hello      nonce (16)
//	dialer    share      CPace element (32)
//	listener  share      CPace element (32)
//	dialer    confirm    MAC (32)
//	listener  confirm    name of the listener, MAC (32)
//	dialer    name       name of the dialer, MAC (32)
//	listener  done       MAC (32)
//
// The listener may send a refusal instead of any message. Its body is one byte, the reason.
//
// The inputs of CPace are the words of the code as its secret, the protocol ID, the number and
// both peer IDs as its context, and both nonces as the session ID. Each MAC is HMAC-SHA-256
// with a separate key, derived from CPace's key by HKDF, over the SHA-256 of all messages
// before it and the name in its own message. The dialer sends its proof first, so a dialer that
// does not know the words learns nothing that allows it to test guesses. The listener sends
// done after it has saved the dialer.
const PairProtocol = "/imgsend/pair/1"

// FetchPairProtocol is the ID of the same protocol for a host that offers images: its code
// gives the dialer the right to fetch, and that of [PairProtocol] the right to send. The ID is
// part of the context of CPace, so a code cannot be used for the other right.
const FetchPairProtocol = "/imgsend/pair/fetch/1"

// Errors of a pairing, for errors.Is.
var (
	// ErrWrongCode: the two sides have different codes, or there is an attacker between them.
	// On the listener's side the code is used up.
	ErrWrongCode = errors.New("the code is wrong")
	// ErrNoCode: the other host shows no code with that number.
	ErrNoCode = errors.New("no code with that number is shown there")
	// ErrCodeExpired: the code was not used within its lifetime.
	ErrCodeExpired = errors.New("the code has expired")
	// ErrCodeUsed: the pairing failed after this side had sent its proof. The other side could
	// test one guess at the code with that proof, so the code must not be used again with any
	// host.
	ErrCodeUsed = errors.New("the code is used up")
	// ErrPairing: the other side violated the protocol, closed the connection, or could not
	// save this host.
	ErrPairing = errors.New("the pairing failed")
)

// Paired is the other host of a successful pairing.
type Paired struct {
	// ID is the ID of the host that proved that it knows the code.
	ID ID
	// Name is the name that the other host gives itself. [CheckName] accepts it, but another
	// saved peer may have the same name, see [Book.Add].
	Name string
	// Addr is the address of the other host in this connection. If the other host was the
	// dialer, its port is temporary and cannot be dialed later.
	Addr ma.Multiaddr
}

// Kinds of messages. Each is sent by one side only, so no message can be reflected to its
// sender.
const (
	kindOpen = iota + 1
	kindHello
	kindDialerShare
	kindListenerShare
	kindDialerConfirm
	kindListenerConfirm
	kindDialerName
	kindDone
	kindRefusal = 0x7f
)

// Reasons for a refusal.
const (
	refuseNone = iota + 1
	refuseWrong
	refuseExpired
	refuseBusy
	refuseSave
)

const (
	pairNonce = 16
	pairMAC   = sha256.Size

	// maxPairMessage is the greatest length of a message body, in bytes.
	maxPairMessage = maxName + pairMAC
)

// talk is the state of one side of a handshake.
type talk struct {
	rw       io.ReadWriter
	proto    protocol.ID
	listener bool
	dialerID ID
	hostID   ID
	seen     hash.Hash // transcript: hash of all messages in both directions
	nonces   []byte
	number   int
	isk      []byte
}

func newTalk(rw io.ReadWriter, proto protocol.ID, dialerID, hostID ID, listener bool) *talk {
	return &talk{rw: rw, proto: proto, listener: listener, dialerID: dialerID, hostID: hostID, seen: sha256.New()}
}

// send writes a message and adds it to the transcript.
func (t *talk) send(kind byte, body []byte) error {
	message := binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(body)))
	message = append(message, body...)
	t.seen.Write(message)
	if _, err := t.rw.Write(message); err != nil {
		return fmt.Errorf("%w: %w", ErrPairing, err)
	}
	return nil
}

// receive reads a message of the given kind with a body of least to most bytes, adds it to the
// transcript, and returns the body.
func (t *talk) receive(kind byte, least, most int) ([]byte, error) {
	var head [3]byte
	if _, err := io.ReadFull(t.rw, head[:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPairing, err)
	}
	length := int(binary.BigEndian.Uint16(head[1:]))
	if head[0] == kindRefusal && !t.listener && length == 1 {
		return nil, t.refusal()
	}
	if head[0] != kind || length < least || length > most || length > maxPairMessage {
		return nil, fmt.Errorf("%w: unexpected message", ErrPairing)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(t.rw, body); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPairing, err)
	}
	t.seen.Write(head[:])
	t.seen.Write(body)
	return body, nil
}

func (t *talk) refusal() error {
	var reason [1]byte
	if _, err := io.ReadFull(t.rw, reason[:]); err != nil {
		return fmt.Errorf("%w: %w", ErrPairing, err)
	}
	switch reason[0] {
	case refuseNone:
		return ErrNoCode
	case refuseWrong:
		return ErrWrongCode
	case refuseExpired:
		return ErrCodeExpired
	case refuseBusy:
		return fmt.Errorf("%w: another host is pairing with it now", ErrBusy)
	case refuseSave:
		return fmt.Errorf("%w: the other host could not save this one", ErrPairing)
	}
	return fmt.Errorf("%w: refused for an unknown reason", ErrPairing)
}

// sendProof sends payload and a MAC over the transcript so far and payload.
func (t *talk) sendProof(kind byte, payload []byte) error {
	mac, err := t.mac(kind, t.seen.Sum(nil), payload)
	if err != nil {
		return err
	}
	return t.send(kind, append(payload[:len(payload):len(payload)], mac...))
}

// receiveProof receives a payload of at most most bytes and its MAC, and returns the payload.
// It returns ErrWrongCode if the MAC is wrong.
func (t *talk) receiveProof(kind byte, most int) ([]byte, error) {
	before := t.seen.Sum(nil)
	body, err := t.receive(kind, pairMAC, most+pairMAC)
	if err != nil {
		return nil, err
	}
	payload, got := body[:len(body)-pairMAC], body[len(body)-pairMAC:]
	want, err := t.mac(kind, before, payload)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return nil, ErrWrongCode
	}
	return payload, nil
}

func (t *talk) mac(kind byte, before, payload []byte) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, t.isk, nil, fmt.Sprintf("imgsend pair 1 message %d", kind), sha256.Size)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(before)
	mac.Write(payload)
	return mac.Sum(nil), nil
}

// sendOpen, receiveOpen, sendHello and receiveHello exchange the number of the code and the
// nonces of the session.
func (t *talk) sendOpen(number int) error {
	nonce, err := newNonce()
	if err != nil {
		return err
	}
	t.number, t.nonces = number, nonce
	return t.send(kindOpen, append(binary.BigEndian.AppendUint16(nil, uint16(number)), nonce...))
}

func (t *talk) receiveOpen() error {
	body, err := t.receive(kindOpen, 2+pairNonce, 2+pairNonce)
	if err != nil {
		return err
	}
	t.number, t.nonces = int(binary.BigEndian.Uint16(body)), body[2:]
	return nil
}

func (t *talk) sendHello() error {
	nonce, err := newNonce()
	if err != nil {
		return err
	}
	t.nonces = append(t.nonces, nonce...)
	return t.send(kindHello, nonce)
}

func (t *talk) receiveHello() error {
	nonce, err := t.receive(kindHello, pairNonce, pairNonce)
	t.nonces = append(t.nonces, nonce...)
	return err
}

func newNonce() ([]byte, error) {
	nonce := make([]byte, pairNonce)
	_, err := rand.Read(nonce)
	return nonce, err
}

// exchange runs CPace and sets the key from which MACs are derived.
func (t *talk) exchange(code Code) error {
	context := cpace.Concat([]byte(t.proto), binary.BigEndian.AppendUint16(nil, uint16(t.number)), []byte(t.dialerID), []byte(t.hostID))
	own, err := cpace.New([]byte(code.secret()), context, t.nonces)
	if err != nil {
		return err
	}
	var dialer, host, theirs []byte
	if t.listener {
		if theirs, err = t.receive(kindDialerShare, cpace.ShareSize, cpace.ShareSize); err != nil {
			return err
		}
		dialer, host = theirs, own.Share()
		err = t.send(kindListenerShare, own.Share())
	} else {
		if err = t.send(kindDialerShare, own.Share()); err != nil {
			return err
		}
		theirs, err = t.receive(kindListenerShare, cpace.ShareSize, cpace.ShareSize)
		dialer, host = own.Share(), theirs
	}
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(own.Share(), theirs) == 1 {
		return fmt.Errorf("%w: the other side sent back the share of this side", ErrPairing)
	}
	t.isk, err = own.Key(theirs, cpace.Side{Share: dialer, Data: []byte(t.dialerID)}, cpace.Side{Share: host, Data: []byte(t.hostID)})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPairing, err)
	}
	return nil
}

// dialerSide runs the handshake as the dialer and returns the listener's name. Errors after the
// proof was sent wrap [ErrCodeUsed].
func (t *talk) dialerSide(code Code, name string) (string, error) {
	if err := t.sendOpen(code.Number()); err != nil {
		return "", err
	}
	if err := t.receiveHello(); err != nil {
		return "", err
	}
	if err := t.exchange(code); err != nil {
		return "", err
	}
	theirs, err := t.prove(name)
	if err != nil {
		return "", fmt.Errorf("%w; %w", err, ErrCodeUsed)
	}
	return theirs, nil
}

// prove sends the dialer's proof, checks the listener's proof, and returns the listener's name.
func (t *talk) prove(name string) (string, error) {
	if err := t.sendProof(kindDialerConfirm, nil); err != nil {
		return "", err
	}
	theirs, err := t.receiveName(kindListenerConfirm)
	if err != nil {
		return "", err
	}
	if err := t.sendProof(kindDialerName, []byte(name)); err != nil {
		return "", err
	}
	_, err = t.receiveProof(kindDone, 0)
	return theirs, err
}

func (t *talk) receiveName(kind byte) (string, error) {
	payload, err := t.receiveProof(kind, maxName)
	if err != nil {
		return "", err
	}
	if err := CheckName(string(payload)); err != nil {
		return "", fmt.Errorf("%w: %w", ErrPairing, err)
	}
	return string(payload), nil
}
