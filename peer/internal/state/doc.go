// Package state reads and writes the files of the home folder: small text files
// that only their user may change.
//
// It refuses files that another user could have changed: a file or folder that another user
// owns (root excepted) or can write to, and a file that is not regular. Errors name the command
// that repairs it. A file is replaced completely or not at all, and programs that change a file
// take turns with [Lock].
//
// # What it does not do
//
// It knows no file format. It does not check the folders above the home folder. On Windows it
// checks neither owner nor permissions.
package state
