// Package cli is what imgsend and imgrecv have in common: how their command line
// is read, explained and completed, how they speak, what they show while a
// transfer runs, what they print as JSON, and which exit status an error is.
//
// It decides nothing about a transfer, and exits only in [Program.Main].
package cli
