// Package peer knows who the other host is, decides who gets in, and carries one
// encrypted, authenticated stream of bytes between two hosts.
//
// A host is known by its key: an Ed25519 key in a file ([LoadIdentity]). The peer
// ID ([ID]) is the fingerprint of the key. [Listen] waits for streams, [Dial]
// opens one to a [Target]. Both ends prove who they are before the first byte of
// the stream moves. Package peer/lan finds out where hosts are.
//
// # The stack
//
// TCP, TLS 1.3, yamux, one multistream negotiation. Package internal/stack puts
// them together from parts of libp2p. It does not use the complete libp2p host, so
// that nothing that talks on its own account is linked in: no relay, no AutoNAT, no
// hole punching, no port mapping, no DHT, no identify, no ping service, no metrics.
// A listener sends nothing until somebody connects. A dialer sends to the one
// address that it was given, and nowhere else.
//
// # Who gets in
//
// A host listens for peers that send images, or for peers that fetch some
// ([ListenConfig]), and each is another right of a peer ([Rights]).
// [Policy] decides once the other side has proven its key, and before any stream
// of it is looked at. A peer that is turned away is told so: its Dial returns
// [ErrRefused]. One that has come for what the host does not listen for gets
// [ErrOtherWay]. [SECURITY.md] has the assumptions and guarantees.
//
// # Meeting for the first time
//
// [Host.Pair] offers one [Code], [Host.Invite] one after the other, and [Pair] on
// the other host uses it: the two hosts prove to each other that they know the same
// words, and learn each other's ID and name. A code is shown for one right, to send or to
// fetch, and is of no use to a dialer who wants the other one. It is good for one try on each
// side, right or wrong: the listener shows another one, and the dialer's error says
// [ErrCodeUsed]. [PairProtocol] has the messages.
//
// The key exchange is CPace as of draft-irtf-cfrg-cpace-21, in package
// internal/cpace, over ristretto255 from github.com/gtank/ristretto255, which is
// built on filippo.io/edwards25519, the same code as Go's own. The libraries that
// were judged for it, with the reasons against them in the documentation of
// internal/cpace, are filippo.io/cpace, github.com/bytemare/cpace,
// github.com/schollz/pake/v3 and github.com/cloudflare/circl.
//
// # Remembering
//
// [Book] is the file of the saved peers. [Book.May] answers the Allow of a Policy, and
// [Book.Known] its Known: they follow the file, so that a peer that is forgotten, or
// loses its right, is refused from then on, by programs that run already too.
//
// # Ends
//
// [Stream.Close] delivers what was written and waits, for a bounded time, until
// the other side has closed as well. [Stream.Reset] gives up at once. A connection
// that breaks is an error on both sides, never a clean end of stream.
//
// A line may be slow, and it may be cut for a while: nothing here ends a stream
// because a write takes long. A caller decides by deadlines how long a silence it
// accepts, as package transfer does with 30 s. The connection of a peer that
// disappears without a word (power, cable) breaks within a minute and a half on
// Linux, and elsewhere when the system gives it up.
//
// A reader sees bytes when a whole frame of up to 16 KiB has arrived.
//
// # What it does not do
//
// It asks no user for a code or for permission, and saves no peer unless it is told
// to. It looks up a host name if the user gave one as an address, and no other. It does not know the
// conversation on the stream: framing, versions, and the end of a transfer belong
// to its caller. It does not resume a broken stream, which is package wire's. It prints nothing.
//
// [SECURITY.md]: https://github.com/imgsend/imgsend/blob/main/peer/SECURITY.md
package peer
