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
// TCP, TLS 1.3 (Noise with those who lack it), yamux, one multistream
// negotiation; QUIC only where an address asks for it. These are libp2p's own
// parts put together by hand, not the all-in libp2p host, so that nothing that
// talks on its own account is even linked in: no relay, no AutoNAT, no hole
// punching, no port mapping, no DHT, no identify, no ping service, no metrics.
// A listener sends nothing until somebody connects; a dialer sends to the one
// address that it was given, and nowhere else.
//
// # Who gets in
//
// [Policy] decides, once the other side has proven its key and before any
// stream of it is looked at. Whoever is turned away is told so, and its Dial
// returns [ErrRefused] and not a mere broken connection. [SECURITY.md] has the
// assumptions and guarantees.
//
// # Ends
//
// [Stream.Close] delivers what was written and waits, for a bounded time,
// until the other side has closed as well. [Stream.Reset] gives up at once. A
// connection that breaks is an error on both sides, never a clean end of
// stream. A peer that disappears without a word (power, cable) is noticed
//
//   - while bytes are being sent: at most 10 s after the kernel's send buffer
//     is full;
//   - while waiting or receiving: after 40 s, 30 s of silence and 10 s for the
//     answer to a ping;
//   - over QUIC: after 30 s.
//
// Callers that want to give up sooner set deadlines.
//
// # What it does not do
//
// It does not find peers, ask for codes or remember anybody: a target is an
// address with a peer ID in it. It does not resolve names; there are no DNS
// lookups. It does not know what is said on the stream: framing, versions of
// the conversation, and the end of a transfer belong to its caller. It does not
// resume a broken stream. It prints nothing.
//
// [SECURITY.md]: https://github.com/imgsend/imgsend/blob/main/peer/SECURITY.md
package peer
