// Package transfer copies container images from a [Source] to a [Sink].
//
// An image is a set of blobs known by their digest (layers, a config, and on
// some engines manifests) and a small [Index] that says how they belong
// together. [Copy] asks the source what it offers, the sink what of that it
// already has, moves the blobs that are missing, and has the sink verify and
// name the result.
//
// The network is one more Sink and one more Source: a [Sender] is the sink
// that imgsend writes to, a [Receiver] the source that imgrecv reads from. The
// two talk over any byte stream with deadlines, in the frames of PROTOCOL.md.
//
// The package knows neither engines nor peers: it does not talk to Docker, it
// does not find, authenticate or encrypt anything, and it does not write to
// the screen. It stores no blob: memory is bounded by the blocks in flight.
package transfer
