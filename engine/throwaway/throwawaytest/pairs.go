package throwawaytest

import "strings"

// Family returns the part of an engine's name before the version: "classic",
// "containerd", "podman" or "native".
func Family(name string) string {
	family, _, _ := strings.Cut(name, "-")
	return family
}

// Pairs chooses pairs of a sender and a receiver, since all of them take too
// long: every sender meets at least one receiver of each family, and every
// receiver at least one sender of each. It leaves out most pairs of two versions,
// and all pairs of a member with itself unless it is alone in its family.
func Pairs[T any](senders, receivers []T, family func(T) string) [][2]T {
	var pairs [][2]T
	for _, from := range families(senders, family) {
		for _, to := range families(receivers, family) {
			for i := range max(len(from), len(to)) {
				pairs = append(pairs, [2]T{from[i%len(from)], to[(i+1)%len(to)]})
			}
		}
	}
	return pairs
}

// families groups members, in the order in which they come.
func families[T any](all []T, family func(T) string) [][]T {
	var groups [][]T
	index := map[string]int{}
	for _, m := range all {
		i, ok := index[family(m)]
		if !ok {
			i = len(groups)
			index[family(m)] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], m)
	}
	return groups
}

// Few chooses fewer pairs than [Pairs]: one of each two families, and every member
// once or more as a sender and as a receiver. It is for what depends on the kinds of
// engine, and on their versions hardly.
func Few[T comparable](senders, receivers []T, family func(T) string) [][2]T {
	var pairs [][2]T
	sent, received := map[T]bool{}, map[T]bool{}
	take := func(from, to T) {
		pairs = append(pairs, [2]T{from, to})
		sent[from], received[to] = true, true
	}
	froms, tos := families(senders, family), families(receivers, family)
	for i, from := range froms {
		for j, to := range tos {
			// Another version of each family every time.
			take(from[j%len(from)], to[(i+1)%len(to)])
		}
	}
	for i, from := range senders {
		if !sent[from] {
			take(from, receivers[(i+1)%len(receivers)])
		}
	}
	for i, to := range receivers {
		if !received[to] {
			take(senders[(i+1)%len(senders)], to)
		}
	}
	return pairs
}
