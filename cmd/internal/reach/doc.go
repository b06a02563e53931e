// Package reach finds the host that a user names and connects to it: by a code, a name,
// or an address, and once more after the line has broken.
//
// It says nothing to that host but who this one is, and moves no images.
package reach
