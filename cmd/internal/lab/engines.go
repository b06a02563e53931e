package lab

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/imgsend/imgsend/engine/throwaway"
)

// Choose returns the engines of these names, "" being the default.
func Choose(specs []throwaway.Spec, from, to string) (send, recv throwaway.Spec, err error) {
	if from == "" {
		from = Newest(specs)
	}
	if send, err = Find(specs, from); err != nil {
		return send, recv, err
	}
	recv, err = Find(specs, cmp.Or(to, from))
	return send, recv, err
}

// Find returns the engine of a name.
func Find(specs []throwaway.Spec, name string) (throwaway.Spec, error) {
	var all []string
	for _, s := range specs {
		if s.Name == name {
			return s, nil
		}
		all = append(all, s.Name)
	}
	return throwaway.Spec{}, fmt.Errorf("no engine %q can be started here, only %s", name, strings.Join(all, ", "))
}

// Newest returns the name of the newest engine with a classic store, or of the
// newest of all if there is none. There is at least one.
func Newest(specs []throwaway.Spec) string {
	rank := func(s throwaway.Spec) []int {
		family, version, _ := strings.Cut(s.Name, "-")
		r := []int{0}
		if family == "classic" {
			r[0] = 1
		}
		for _, n := range strings.Split(version, ".") {
			i, _ := strconv.Atoi(n) // an odd version ranks low
			r = append(r, i)
		}
		return r
	}
	return slices.MaxFunc(specs, func(a, b throwaway.Spec) int { return slices.Compare(rank(a), rank(b)) }).Name
}

// Describe names an engine with its exact version and its store.
func Describe(ctx context.Context, e *throwaway.Engine) (string, error) {
	if e.Spec().Kind == throwaway.Native {
		return describeNative(ctx, e)
	}
	c, err := e.Client()
	if err != nil {
		return "", err
	}
	defer c.Close()
	version, err := c.ServerVersion(ctx)
	if err != nil {
		return "", err
	}
	info, err := c.Info(ctx)
	if err != nil {
		return "", err
	}
	store := "classic store"
	switch {
	case e.Spec().Kind == throwaway.Podman:
		store = "containers/storage"
	case e.Spec().Containerd:
		store = "containerd store"
	}
	return fmt.Sprintf("%s %s (%s, %s)", e.Spec().Kind, version.Version, store, info.Driver), nil
}
