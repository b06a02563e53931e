// Package wire copies images over a stream of bytes: a [Sender] is the
// [transfer.Sink] that imgsend copies to, a [Receiver] the [transfer.Source] that
// imgrecv copies from. The two talk over any byte stream with deadlines, in the
// frames of ../PROTOCOL.md: blocks that are compressed as hard as the stream
// leaves time for, as many as the receiver has credit for. Memory is bounded by
// the blocks in flight. When the stream breaks, the two go on over another one, if
// both can and the end that has dialed can make one ([StreamOptions], [Sessions]).
//
// Either end may have dialed: [NewSender] to send to a [Sessions.Receive], or
// [NewFetcher] to ask a [Sessions.Send] for images, or for its [Listing].
//
// It judges whether the other side is alive, and whether its frames are what the
// protocol allows, but not what they mean: that an answer fits its offer, a blob
// its digest, a result what was offered, and that there is progress, is checked
// by [transfer.Copy].
//
// The package does not authenticate or encrypt anything, makes no stream by itself,
// knows no engine, and does not write to the screen. It stores no blob.
package wire
