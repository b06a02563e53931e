package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
)

// A Naming is the value of --as: one NAME for a single image, or OLD=NEW for some
// of several. The zero value leaves every name as it is.
type Naming struct {
	single string
	pairs  []pair
}

type pair struct {
	old, name string
	used      bool
}

// ParseNaming reads the values of --as. Its errors are of [UsageError].
func ParseNaming(values []string) (*Naming, error) {
	n := &Naming{}
	for _, v := range values {
		old, name, isPair := strings.Cut(v, "=")
		if !isPair {
			old, name = "", v
		}
		named, err := store.ParseName(name)
		switch {
		case err != nil:
			return nil, &UsageError{fmt.Errorf("--as: %w", err)}
		case isPair && old == "":
			return nil, &UsageError{fmt.Errorf("--as %s: which image? (--as OLD=NEW)", v)}
		case !isPair && len(values) > 1:
			return nil, &UsageError{errors.New("--as names a single image, or several as --as OLD=NEW")}
		}
		name = reference.FamiliarString(named)
		if !isPair {
			n.single = name
			continue
		}
		if slices.ContainsFunc(n.pairs, func(p pair) bool { return same(p.old, old) }) {
			return nil, &UsageError{fmt.Errorf("--as names %s twice", old)}
		}
		n.pairs = append(n.pairs, pair{old: old, name: name})
	}
	return n, nil
}

// same reports whether two words are the same name, or the same text.
func same(a, b string) bool { return a == b || store.SameName(a, b) }

// Empty reports whether --as was not given.
func (n *Naming) Empty() bool { return n.single == "" && len(n.pairs) == 0 }

// Fresh returns a copy of n of which no name has been used yet: for one transfer.
func (n *Naming) Fresh() *Naming {
	fresh := &Naming{single: n.single, pairs: slices.Clone(n.pairs)}
	for i := range fresh.pairs {
		fresh.pairs[i].used = false
	}
	return fresh
}

// Of returns the name on arrival of the image that is called image, or "" if --as does
// not give one. several says that it is one of several images.
func (n *Naming) Of(image string, several bool) (string, error) {
	if n.single != "" && several {
		return "", &UsageError{errors.New("--as NAME names a single image; for one of several it is --as OLD=NEW")}
	}
	for i, p := range n.pairs {
		if same(p.old, image) {
			n.pairs[i].used = true
			return p.name, nil
		}
	}
	return n.single, nil
}

// Unused returns an error for an OLD=NEW whose OLD is not among the images.
func (n *Naming) Unused() error {
	for _, p := range n.pairs {
		if !p.used {
			return &UsageError{fmt.Errorf("--as %s=%s: there is no image %s", p.old, p.name, p.old)}
		}
	}
	return nil
}

// unique returns each of the names once, in their order.
func unique(names []string) []string {
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// Apply renames described images: OLD is one of an image's names, or at least
// four digits of its ID.
func (n *Naming) Apply(images []transfer.Image) error {
	for i := range images {
		m := &images[i]
		if n.single != "" {
			if len(images) > 1 {
				_, err := n.Of("", true)
				return err
			}
			m.Refs = []string{n.single}
			continue
		}
		refs := slices.Clone(m.Refs)
		for j, ref := range refs {
			name, err := n.Of(ref, true)
			if err != nil {
				return err
			}
			if name != "" {
				refs[j] = name
			}
		}
		byID := false
		for j, p := range n.pairs {
			id := strings.TrimPrefix(p.old, "sha256:")
			if len(id) >= 4 && strings.HasPrefix(m.ID.Encoded(), id) {
				if byID {
					return &UsageError{fmt.Errorf("--as names the image %s twice by its ID", Short(m.ID))}
				}
				byID = true
				n.pairs[j].used = true
				refs = append(refs, p.name)
			}
		}
		m.Refs = unique(refs)
	}
	return nil
}
