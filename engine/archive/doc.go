// Package archive reads and writes files of images: [Open] makes any archive
// that people have a [transfer.Source], [NewSink] and [Create] write the one
// that every engine loads.
//
// The package talks to no engine and writes nothing but the file it was told
// to, and what [Open] has to spool, to an unlinked temporary file.
package archive
