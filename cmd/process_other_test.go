//go:build !unix

package cmd_test

func processGone(int) bool { return false }
