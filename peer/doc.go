// Package peer identifies hosts, decides which peers may connect, and carries one encrypted,
// authenticated stream of bytes between two hosts.
//
// A host is identified by its key: an Ed25519 key in a file ([LoadIdentity]). The peer ID
// ([ID]) encodes its public key. [Listen] accepts streams, and [Dial] opens one to a [Target].
// Both sides prove that they have their keys before the first byte of the stream is sent.
// Package peer/lan finds hosts on local networks.
//
// # The stack
//
// A stream runs over TCP, TLS 1.3 and yamux, with one multistream negotiation. Package
// internal/stack combines them from parts of libp2p. It does not use the complete libp2p host,
// so that no code that sends on its own is linked in: no relay, no AutoNAT, no hole punching,
// no port mapping, no DHT, no identify, no ping service, no metrics. A listener sends nothing
// until a peer connects. A dialer sends only to the address that it was given.
//
// # Who gets in
//
// A host listens either for peers that send images or for peers that fetch images
// ([ListenConfig]). Each needs a different right ([Rights]). [Policy] decides after the peer
// has proven its key and before any of its streams is read. A peer that is refused is told so:
// its Dial returns [ErrRefused]. A peer that connects for the other direction gets
// [ErrOtherWay]. [SECURITY.md] contains the assumptions and guarantees.
//
// # Meeting for the first time
//
// [Host.Pair] shows one [Code], and [Host.Invite] one after another. [Pair] on the other host
// uses it: the two hosts prove to each other that they know the same words, and learn each
// other's ID and name. A code is valid for one right, to send or to fetch, and cannot be used
// for the other one. It allows one attempt, right or wrong. After a wrong one the listener
// needs another code, and the dialer's error wraps [ErrCodeUsed]. [PairProtocol] specifies the
// messages.
//
// The key exchange is CPace as of draft-irtf-cfrg-cpace-21, in package internal/cpace, over
// ristretto255 from github.com/gtank/ristretto255, which is built on filippo.io/edwards25519,
// the same code as in Go's standard library. The documentation of internal/cpace says why the
// libraries filippo.io/cpace, github.com/bytemare/cpace, github.com/schollz/pake/v3 and
// github.com/cloudflare/circl are not used.
//
// # Remembering
//
// [Book] is the file of the saved peers. [Book.May] implements Policy.Allow, and [Book.Known]
// implements Policy.Known. Both read the file again when it has changed, so running programs
// refuse a peer as soon as it is forgotten or loses its right.
//
// # Ends
//
// [Stream.Close] waits, for a limited time, until everything written is delivered and the other
// side has closed too. [Stream.Reset] does not wait. A broken connection is an error on both
// sides and never io.EOF.
//
// A connection may be slow or interrupted for a while: this package does not end a stream
// because a write takes long. The caller sets deadlines to limit how long it waits, as package
// transfer does with 30 s. If a peer disappears without closing the connection (power failure,
// unplugged cable), the connection breaks within 90 s on Linux, and on other systems after the
// system's own timeout.
//
// A reader receives bytes when a whole frame of up to 16 KiB has arrived.
//
// # What it does not do
//
// It does not ask the user for a code or for permission, and saves no peer unless it is told
// to. It looks up only host names that the user gave as an address. It does not know the
// protocol on the stream: framing, versions and the end of a transfer belong to its caller. It
// does not resume a broken stream, which package wire does. It prints nothing.
//
// [SECURITY.md]: https://github.com/imgsend/imgsend/blob/main/peer/SECURITY.md
package peer
