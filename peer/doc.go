// Package peer knows who the other host is and where it is, and carries one
// encrypted, authenticated stream of bytes between the two.
//
// A host is known by its key: an Ed25519 key kept in a file ([LoadIdentity]),
// of which the peer ID ([ID]) is the fingerprint. [Listen] waits for streams,
// [Dial] opens one to a [Target]. Both ends prove who they are before the
// first byte of the stream moves.
//
// # The stack
//
// TCP, TLS 1.3, yamux, one multistream negotiation. These are libp2p's own
// parts put together by hand, not the all-in libp2p host, so that nothing that
// talks on its own account is even linked in: no relay, no AutoNAT, no hole
// punching, no port mapping, no DHT, no identify, no ping service, no metrics.
// A listener sends nothing until somebody connects; a dialer sends to the one
// address that it was given, and nowhere else.
//
// # Being found
//
// [Announce] tells the local networks by multicast DNS that a host waits, and
// with which number of a code; [Browse] asks who does. Both speak on real
// interfaces only, to the multicast groups only, and believe nothing: an
// announcement is a hint where to dial, the key or the code has to prove it.
//
// # Who gets in
//
// [Policy] decides, once the other side has proven its key and before any
// stream of it is looked at. Whoever is turned away is told so, and its Dial
// returns [ErrRefused] and not a mere broken connection. [SECURITY.md] has the
// assumptions and guarantees.
//
// # Meeting for the first time
//
// [Host.Pair] puts a [Code] out, or [Host.Invite] one after the other, and
// [Pair] on the other host uses it: the two prove to each other that they know
// the same words, and learn each other's ID and name. The code is used up by
// the first try, right or wrong. [PairProtocol] has the messages. The key
// exchange is CPace, which the IRTF's CFRG chose, over ristretto255 from
// github.com/gtank/ristretto255, which is built on filippo.io/edwards25519,
// the same code as Go's own. The little around that group is here, held to the
// test vectors of CPace's specification. Of the packages at hand none would do:
//
//   - github.com/schollz/pake/v3, the PAKE of croc, is none that is specified
//     anywhere; its two points on edwards25519 are multiples of the base point
//     by published numbers, with which words can be guessed offline, on its
//     other curves it computes with math/big; and it panics on a message such as
//     "null";
//   - github.com/cloudflare/circl has groups and no PAKE.
//
// The words are those of the EFF's short wordlist 2.0, under CC BY 3.0 US.
//
// # Remembering
//
// [Book] is the file of the peers that were met. [Book.Known] is what a Policy's
// Allow can be: it follows the file, so that a peer that is forgotten is refused
// from then on, by programs that are running too.
//
// # Ends
//
// [Stream.Close] delivers what was written and waits, for a bounded time,
// until the other side has closed as well. [Stream.Reset] gives up at once. A
// connection that breaks is an error on both sides, never a clean end of
// stream.
//
// A line may be slow, and it may be cut for a while: nothing here ends a stream
// because a write takes long. A caller decides by deadlines how long a silence
// it accepts, as package transfer does with 30 s. The connection of a peer that
// disappears without a word (power, cable) breaks within a minute and a half
// on Linux, and elsewhere when the system gives it up.
//
// A reader sees bytes when a whole frame of up to 16 KiB has arrived.
//
// # What it does not do
//
// It asks nobody for a code or for leave, and saves nobody unless it is told
// to. It does not resolve host names; there are no DNS lookups. It does not know
// what is said on the stream: framing, versions of the conversation, and the end
// of a transfer belong to its caller. It does not resume a broken stream. It
// prints nothing.
//
// [SECURITY.md]: https://github.com/imgsend/imgsend/blob/main/peer/SECURITY.md
package peer
