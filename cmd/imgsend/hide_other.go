//go:build !linux

package main

// hideArgument does nothing: os.Args are a copy of the command line here, or may
// not be writable.
func hideArgument(string) {}
