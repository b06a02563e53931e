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

// An order is a [wire.Receiver] that refuses an offer that differs from the request. The offer
// must contain each image that was asked for, and no other image, which could replace an image
// here. An image that was asked for by a digest must have that digest.
type order struct {
	*wire.Receiver
	asked []string // names, digests and IDs; empty: any offer is accepted
	hex   []string // for each offered image the digits it was asked for by, or ""
}

// Next returns the sender's offer, or an error if it differs from the request.
func (r *order) Next(ctx context.Context) (*transfer.Offer, error) {
	offer, err := r.Receiver.Next(ctx)
	if err != nil || len(r.asked) == 0 {
		return offer, err
	}
	r.hex, err = ordered(r.asked, offer.Images)
	return offer, err
}

// Export copies the blobs, and returns an error if an image lacks the digest that it was asked
// for by.
func (r *order) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	x, err := r.Receiver.Export(ctx, o, p, w)
	if err != nil || o.DryRun || r.hex == nil {
		return x, err
	}
	return x, delivered(r.hex, p, x)
}

// delivered returns an error if an image lacks the digest that it was asked for by. It checks
// the digests in the index, whose manifests and configs were verified on arrival.
func delivered(hex []string, p *transfer.Plan, x *transfer.Index) error {
	n := 0
	for i, ip := range p.Images {
		if ip.Status != transfer.Take || n == len(x.Images) { // the caller refuses an index that is too short
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

// ordered returns for each offered image the digits that it was asked for by, or "" if it was
// asked for by name. It returns an error if the offer differs from the request.
func ordered(asked []string, images []transfer.Image) ([]string, error) {
	hex := make([]string, len(images))
	wanted := make([]bool, len(images))
	for _, text := range asked {
		found := false
		for i := range images {
			m := &images[i]
			switch digits := digitsOf(text); {
			case slices.ContainsFunc(m.Refs, func(ref string) bool { return store.SameName(text, ref) }):
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
			wanted[i] = wanted[i] && slices.ContainsFunc(asked, func(text string) bool { return store.SameName(text, ref) })
		}
		if !wanted[i] {
			return nil, &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%s was offered, which was not asked for", images[i].Name())}
		}
	}
	return hex, nil
}

// digitsOf returns the hexadecimal digits of an image ID or of a digest, with or without a name
// before it. It returns "" if text is neither.
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

// startsOne reports whether one of the digests starts with digits.
func startsOne(digests []digest.Digest, digits string) bool {
	return slices.ContainsFunc(digests, func(d digest.Digest) bool { return d != "" && strings.HasPrefix(d.Encoded(), digits) })
}
