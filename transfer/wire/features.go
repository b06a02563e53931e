package wire

import "slices"

// Features returns the names of the protocol features that this package supports. A
// hello lists all of them, but "resume" only if [StreamOptions].RetryFor is positive.
func Features() []string { return append(slices.Clone(features), featureResume) }
