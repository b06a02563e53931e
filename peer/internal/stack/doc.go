// Package stack combines the parts of libp2p that two hosts need: TCP, TLS 1.3 and yamux, with
// limits on the resources that the other side can make a host use.
//
// # What it does not do
//
// It does not decide which peers may connect: the caller's connection gater does. It negotiates
// no protocol and serves no stream. No code that sends on its own is linked in: no relay, no
// AutoNAT, no hole punching, no port mapping, no DHT, no identify, no ping service, no metrics.
// It looks up no host names.
package stack
