// Package door is the waiting side of a program. It prints the addresses and the codes, decides
// which hosts may connect, and asks the user about strangers: peers that are neither saved nor
// on the allow list.
//
// It does not speak the transfer protocol and copies no images.
package door
