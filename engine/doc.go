// Package engine opens the store of images that the user means: see [Open]. What
// the stores have in common is in engine/store, and each is a package below.
//
// The package does not look into stores, and starts no engine (see throwaway).
package engine
