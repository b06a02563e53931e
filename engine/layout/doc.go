// Package layout knows the OCI image layout as the project reads and writes it:
// as a tar with Docker's manifest.json beside index.json ([Writer]), the
// manifests and indexes in it ([Documents]), and images in it as a
// [transfer.Source].
//
// The package knows no engine, and not where the blobs are kept.
package layout
