package wire

import "slices"

// Features returns the words for what this package can do beyond the version of its
// protocol. A hello has all of them but "resume" where nothing is retried.
func Features() []string { return append(slices.Clone(features), featureResume) }
