// Package stack puts libp2p's parts together into what two hosts need: TCP,
// TLS 1.3, yamux, with limits on what the other side can make a host hold.
//
// # What it does not do
//
// It decides about nobody: a connection gater does. It negotiates no protocol
// and serves no stream. Nothing that talks on its own account is linked in: no
// relay, no AutoNAT, no hole punching, no port mapping, no DHT, no identify, no
// ping service, no metrics. It looks up no host name.
package stack
