package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
)

// A set is a request for images that are known only after the store is opened: images that
// match a pattern, or all images.
type set struct {
	args  []string    // names, IDs and patterns; empty: all images that have a name
	names *cli.Naming // --as
}

// newSet returns the set for the arguments of imgsend, or nil if these contain no pattern and
// all is false.
func newSet(args []string, all bool, names *cli.Naming) (*set, error) {
	for _, arg := range args {
		if !store.IsPattern(arg) {
			continue
		}
		if err := store.CheckPattern(arg); err != nil {
			return nil, usageError(fmt.Errorf("%s: %w", arg, err))
		}
	}
	if !all && !slices.ContainsFunc(args, store.IsPattern) {
		return nil, nil
	}
	_, err := names.Of("", true)
	return &set{args: args, names: names}, err
}

// of returns the requests for images of a store that has these names. It notes patterns that
// match nothing in search.
func (s *set) of(where string, names []string, search *store.Search) ([]store.Request, error) {
	if len(s.args) > 0 {
		return search.Expand(s.args, where, names), nil
	}
	if len(names) == 0 {
		return nil, &transfer.Error{Kind: transfer.KindEngine, Err: fmt.Errorf("there is no image with a name in %s", where),
			Hint: "--all sends images that have a name; one without is sent by its ID"}
	}
	return store.All(names), nil
}

// name sets the names of --as in the requests.
func (s *set) name(reqs []store.Request) error {
	for i := range reqs {
		as, err := s.names.Of(reqs[i].Image, true)
		if err != nil {
			return err
		}
		reqs[i].As = as
	}
	return s.names.Unused()
}

// requests returns the requests for the images in the store now. where is the store's name in
// errors.
func (s *set) requests(ctx context.Context, from store.Store, where string) ([]store.Request, error) {
	namer, ok := from.(store.Namer)
	if !ok {
		return nil, usageError(fmt.Errorf("%s does not tell which images it has: name them", from))
	}
	names, err := namer.Names(ctx)
	if err != nil {
		return nil, err
	}
	var search store.Search
	reqs, err := s.of(where, names, &search)
	if err != nil {
		return nil, err
	}
	if search.Err() != nil {
		return nil, mistaken(ctx, from, reqs, missing(ctx, from, reqs, &search))
	}
	return reqs, s.name(reqs)
}

// missing returns the error for all patterns that match nothing and all requested images that
// do not exist.
func missing(ctx context.Context, from store.Store, reqs []store.Request, search *store.Search) error {
	src, err := from.Source(ctx, reqs, store.SourceOptions{})
	if err == nil {
		err = src.Close(nil)
	}
	var more *store.MissingError
	if errors.As(err, &more) {
		_ = search.Note(err) // search keeps every MissingError and returns nil
	}
	return search.Err()
}
