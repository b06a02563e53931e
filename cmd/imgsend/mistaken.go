package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/reach"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	manet "github.com/multiformats/go-multiaddr/net"
)

// mistaken returns err, which the requests ended with. If one of them names a container,
// a file or a folder instead of an image, or has upper case, the hint says what to type;
// images that are missing have to come here first.
func mistaken(ctx context.Context, from store.Store, reqs []store.Request, err error) error {
	var te *transfer.Error
	if !errors.As(err, &te) {
		return err
	}
	for _, r := range reqs {
		if !notImage(te, r.Image) {
			continue
		}
		if hint := otherThing(ctx, from, r.Image); hint != "" {
			return &transfer.Error{Kind: te.Kind, Err: err, Hint: hint}
		}
	}
	if missing := (*store.MissingError)(nil); errors.As(err, &missing) && te.Hint == "" {
		hint := "it has to be pulled or built first"
		if len(missing.Images) > 1 {
			hint = "they have to be pulled or built first"
		}
		return &transfer.Error{Kind: te.Kind, Err: err, Hint: hint}
	}
	return err
}

// withoutStore returns err, the error of opening a store. If one of the requests
// names a file or a folder that has images, the hint says how to send those: that takes no
// engine.
func withoutStore(reqs []store.Request, err error) error {
	for _, r := range reqs {
		if hint := fileThing(r.Image); hint != "" {
			return &transfer.Error{Kind: transfer.KindOf(err), Err: err, Hint: hint}
		}
	}
	return err
}

// notImage reports whether err is about this name: the store has no such image, or the
// name is not valid.
func notImage(err error, name string) bool {
	var missing *store.MissingError
	if errors.As(err, &missing) {
		return slices.Contains(missing.Images, name)
	}
	_, bad := store.ParseName(name)
	return transfer.KindOf(err) == transfer.KindUsage && bad != nil && !strings.Contains(name, "@")
}

// otherThing returns a hint for a name that is not an image's: how to send the container,
// the file or the folder of that name, or how the image is spelled; else "".
func otherThing(ctx context.Context, from store.Store, name string) string {
	if eng, ok := from.(containers); ok {
		if names, err := eng.ContainerNames(ctx); err == nil && slices.Contains(names, name) {
			return fmt.Sprintf("%s is a container, which is sent with --container %[1]s", name)
		}
	}
	if hint := fileThing(name); hint != "" {
		return hint
	}
	return lowerCase(ctx, from, name)
}

// lowerCase returns a hint with the name of an image in the store that is name in lower
// case, or "". A tag may have upper case.
func lowerCase(ctx context.Context, from store.Store, name string) string {
	repository, tag := name, ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		repository, tag = name[:i], name[i:]
	}
	lower, err := layout.ShortName(strings.ToLower(repository) + tag)
	namer, ok := from.(store.Namer)
	if err != nil || !ok || strings.ToLower(repository) == repository {
		return ""
	}
	if names, err := namer.Names(ctx); err != nil || !slices.Contains(names, lower) {
		return ""
	}
	return fmt.Sprintf("names are lower case; did you mean %s?", lower)
}

// fileThing returns a hint how to send the images of a file or a folder of this name, or
// "".
func fileThing(name string) string {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return ""
	case info.Mode().IsRegular():
		return fmt.Sprintf("%s is a file: if it is an archive of images, imgsend -i %[1]s --to PEER sends them", name)
	case info.IsDir():
		if _, err := os.Stat(filepath.Join(name, "oci-layout")); err == nil {
			return fmt.Sprintf("%s is an OCI layout folder: --store %[1]s sends images out of it", name)
		}
	}
	return ""
}

// peerAmong returns an error if one of the images is a peer: a code, an address or the
// name of a saved one.
func peerAmong(book *peer.Book, images []string) error {
	for _, arg := range images {
		arg = strings.Clone(arg)
		t, err := peer.ParseTarget(arg)
		if err != nil {
			continue
		}
		image := ""
		switch t.Kind {
		case peer.TargetCode:
			reach.HideArgument(arg)
			return peerGiven("a code is given as an image", "did you mean --to CODE? --to - asks for it, so that nobody reads it in the list of processes")
		case peer.TargetName:
			if _, saved, err := book.ByName(t.Name); err != nil || !saved {
				continue
			}
			if t.Addr == nil {
				image = fmt.Sprintf(" An image of that name is %s:latest", arg)
			}
		case peer.TargetAddr:
			if ip, err := manet.ToIP(t.Addr); err != nil || ip == nil {
				continue
			}
		}
		return peerGiven(arg+" is a peer, and there is no --to", "did you mean --to "+arg+"?"+image)
	}
	return nil
}

func peerGiven(message, hint string) error {
	return &transfer.Error{Kind: transfer.KindUsage, Err: errors.New(message), Hint: hint}
}
