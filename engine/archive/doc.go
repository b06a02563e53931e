// Package archive reads and writes archives of images. [Open] returns a [transfer.Source]
// for an archive of any common format; [NewSink] and [Create] write the format that every
// engine loads.
//
// The package uses no engine. It writes the archive and, if [Open] has to spool, a
// temporary file without a name, and nothing else.
package archive
