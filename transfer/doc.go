// Package transfer copies container images from a [Source] to a [Sink].
//
// An image is a set of blobs known by their digest (layers, a config, and on
// some engines manifests) and a small [Index] that says how they belong
// together. [Copy] asks the source what it offers, the sink what of that it
// already has, moves the blobs that are missing, and has the sink verify and
// name the result. On the way it checks what each end says and gives: plans,
// sizes, digests, the index, the outcome. A watchdog ends a copy in which an end
// makes no progress.
//
// A [Hub] lets several copies share one source, which is read once: each copy is one
// of its own, with a [Tap] of the hub as its source.
//
// The network is one more Sink and one more Source, a [Remote] one: those of
// package transfer/wire, which speak the protocol of PROTOCOL.md.
//
// The package knows neither engines nor peers nor any protocol: it does not talk
// to Docker, it does not find, authenticate or encrypt anything, it makes no
// frames, and it does not write to the screen. It stores no blob and starts no
// transfer by itself.
package transfer
