// Package reach finds the host that a user names and connects to it: by a code, a name,
// or an address, and once more after the line has broken.
//
// It tells that host only who this host is, and copies no images.
package reach
