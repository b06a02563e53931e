// Package rootfs makes an image of a root file system: of one tar stream, which
// becomes the image's only layer, and of a config. Its [Source] gives that
// image to [transfer.Copy].
//
// A layer's digest and size have to be known before it is offered, and a stream
// tells them only at its end. [Spool] therefore keeps the stream in a temporary
// file, which has no name and so vanishes with the process, however that ends.
//
// The package knows no engine, does not decompress, and does not look at what
// the files in the tar are or where their names lead: an engine unpacks a layer
// inside a folder that it does not leave.
package rootfs
