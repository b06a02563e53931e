package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
	"github.com/opencontainers/go-digest"
)

// An order is what was asked for, and holds the sender to it: each image that was asked
// for is offered, and no other one, which could replace an image here. An image that was
// asked for by a digest has it.
type order struct {
	*wire.Receiver
	asked []string // names, digests and IDs; none: whatever is offered
	hex   []string // for each offered image the digits that it was asked for by, or none
}

// Next returns the sender's offer.
func (r *order) Next(ctx context.Context) (*transfer.Offer, error) {
	offer, err := r.Receiver.Next(ctx)
	if err != nil || len(r.asked) == 0 {
		return offer, err
	}
	r.hex, err = ordered(r.asked, offer.Images)
	return offer, err
}

// Export hands over the blobs.
func (r *order) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	x, err := r.Receiver.Export(ctx, o, p, w)
	if err != nil || o.DryRun || r.hex == nil {
		return x, err
	}
	return x, delivered(r.hex, p, x)
}

// delivered refuses an image that has not the digest that it was asked for by. The index
// tells: its manifests and configs have been checked on their way.
func delivered(hex []string, p *transfer.Plan, x *transfer.Index) error {
	n := 0
	for i, ip := range p.Images {
		if ip.Status != transfer.Take || n == len(x.Images) { // an index that is too short is refused later
			continue
		}
		m := &x.Images[n]
		n++
		found := []digest.Digest{m.Config.Digest}
		if m.Root != nil {
			found = append(found, m.Root.Digest)
		}
		if hex[i] != "" && !startsOne(found, hex[i]) {
			return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("another image came than the one that was asked for by its digest, %s", hex[i])}
		}
	}
	return nil
}

// ordered returns for each offered image the digits that it was asked for by, or none if
// it was asked for by name. It refuses an offer that is not what was asked for.
func ordered(asked []string, images []transfer.Image) ([]string, error) {
	hex := make([]string, len(images))
	wanted := make([]bool, len(images))
	for _, text := range asked {
		found := false
		for i := range images {
			m := &images[i]
			switch digits := digitsOf(text); {
			case slices.ContainsFunc(m.Refs, func(ref string) bool { return sameName(text, ref) }):
				found, wanted[i] = true, true
			case len(m.Refs) == 0 && digits != "" && startsOne([]digest.Digest{m.ID, m.Root, m.Config}, digits):
				found, wanted[i], hex[i] = true, true, digits
			}
		}
		if !found {
			return nil, &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%s was asked for, and is not offered", text)}
		}
	}
	for i := range images {
		for _, ref := range images[i].Refs {
			wanted[i] = wanted[i] && slices.ContainsFunc(asked, func(text string) bool { return sameName(text, ref) })
		}
		if !wanted[i] {
			return nil, &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%s was offered, which was not asked for", images[i].Name())}
		}
	}
	return hex, nil
}

// digitsOf returns the hexadecimal digits of a digest, with or without a name before it, or
// of an image ID; none if it is neither.
func digitsOf(text string) string {
	if _, d, ok := strings.Cut(text, "@"); ok {
		text = d
	}
	text = strings.TrimPrefix(text, "sha256:")
	if text == "" || strings.Trim(text, "0123456789abcdef") != "" {
		return ""
	}
	return text
}

// startsOne reports whether one of the digests starts with these digits.
func startsOne(digests []digest.Digest, digits string) bool {
	return slices.ContainsFunc(digests, func(d digest.Digest) bool { return d != "" && strings.HasPrefix(d.Encoded(), digits) })
}

func sameName(a, b string) bool {
	x, errX := store.ParseName(a)
	y, errY := store.ParseName(b)
	return errX == nil && errY == nil && x.String() == y.String()
}
