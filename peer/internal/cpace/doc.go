// Package cpace implements CPace, the balanced PAKE that the IRTF's CFRG selected: two sides
// that know the same low-entropy secret derive a strong key from it, and no attacker can test
// guesses at the secret offline.
//
// It follows draft-irtf-cfrg-cpace-21, cipher suite CPACE-RISTR255-SHA512, in
// the initiator-responder setting, and is tested with the vectors of the
// draft's appendix B.3. The group, its mapping of hashes to elements and its
// checks of encodings are ristretto255 (RFC 9496) from
// github.com/gtank/ristretto255.
//
// # What it does not do
//
// It sends and receives nothing, and does not confirm the key: until each side has proven to
// the other that it has the same key, nothing is known about the other side. The caller sends
// the shares, checks that the other side's share differs from its own, and confirms the key. It
// does not wipe secrets from memory.
//
// # Libraries that were considered
//
//   - filippo.io/cpace follows draft-haase-cpace-01 loosely, with HKDF in place of
//     the draft's key derivation. Its author calls it an experiment that may
//     change.
//   - github.com/bytemare/cpace follows the current draft and offers more groups,
//     over group and hash packages of its own. Its README calls it a proof of
//     concept that is not to be deployed yet.
//   - github.com/schollz/pake/v3, the PAKE of croc, follows no specification. Its
//     two points on edwards25519 are multiples of the base point by published
//     numbers, with which guesses can be tested offline. On its other curves it
//     computes with math/big, and it panics on a message such as "null".
//   - github.com/cloudflare/circl has groups and no PAKE.
package cpace
