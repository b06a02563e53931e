// Package cli is the user interface that imgsend and imgrecv share: parsing, help and
// completion of the command line, messages, the display of progress, JSON events, and
// exit statuses.
//
// It makes no decision about a transfer. Only [Program.Main] ends the process.
package cli
