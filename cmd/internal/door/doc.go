// Package door is the waiting side of a program: it shows the addresses and the codes,
// decides which hosts may connect, and asks the user about strangers.
//
// It sends no hello and copies no images.
package door
