// Package state reads and writes the files of the home folder: small text files
// that only their user may change.
//
// It refuses what another user could have changed: a file or the folder that
// another user owns (root excepted) or may write, and what is not a regular
// file. Errors say what to run. Files are replaced whole or not at all, and
// programs that change a file at the same time take turns by [Lock].
//
// # What it does not do
//
// It knows no format. It does not check the folders above the home folder, and
// on Windows no owner and no permissions.
package state
