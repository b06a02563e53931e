// Package reach finds the host that a user names by a code, a name or an address, and connects
// to it. It also reconnects after a connection has broken.
//
// It tells that host only the ID and the name of this host, and copies no images.
package reach
