// Package wire copies images over a byte stream. A [Sender] is the [transfer.Sink]
// that imgsend copies to. A [Receiver] is the [transfer.Source] that imgrecv copies
// from. The two exchange the frames that ../PROTOCOL.md describes over any byte
// stream with deadlines. Data travels in blocks. The sender adapts the compression to
// the speed of the stream, and the receiver limits the number of blocks in flight
// with credits, which bounds the memory of both.
//
// When the stream breaks, the two resume the transfer over another stream, if both
// support that and the end that dialed can dial again ([StreamOptions], [Sessions]).
//
// Either end may dial. [NewSender] sends to a peer that calls [Sessions.Receive].
// [NewFetcher] requests images, or a [Listing], from a peer that calls [Sessions.Send].
//
// The package checks that the other side is alive and that its frames are well-formed
// and in an order that the protocol allows. [transfer.Copy] checks the rest: that an
// answer fits its offer, a blob its digest, and a result its offer, and that the
// transfer makes progress.
//
// The package does not authenticate or encrypt, opens no connection, uses no engine,
// prints nothing and stores no blob.
package wire
