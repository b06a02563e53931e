// Package conformance has no code but tests: one suite for every end that images
// come from or go to, which are the engines of the matrix, archive files, layout
// folders, and the stream between any two of them.
//
// An end conforms if images arrive in it, and leave it, with the config digest
// and the DiffIDs that they were made with, and if the file system that comes of
// their layers is the one that the layers say.
package conformance
