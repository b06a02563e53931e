package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/engine/store"
	"github.com/spf13/pflag"
)

// onlyOnce makes the flags with one value refuse a second one: the first would be lost. A
// switch may be repeated, as long as it says the same.
func onlyOnce(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if _, many := f.Value.(pflag.SliceValue); !many {
			f.Value = &onceValue{Value: f.Value}
		}
	})
}

var errRepeated = errors.New("given more than once")

// A onceValue is a flag's value that is set once.
type onceValue struct {
	pflag.Value
	set bool
}

func (v *onceValue) Set(s string) error {
	was := v.String()
	if v.set && v.Type() != "bool" {
		return errRepeated
	}
	if err := v.Value.Set(s); err != nil {
		return err
	}
	if v.set && v.String() != was {
		return errRepeated
	}
	v.set = true
	return nil
}

// mistake returns the [UsageError] for an error of the flags. It does not repeat the values
// of flags that are given twice, which may be secret.
func (p *Program) mistake(err error) error {
	var twice *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.Is(err, errRepeated) && errors.As(err, &twice):
		err = fmt.Errorf("--%s is given more than once", twice.GetFlag().Name)
	case errors.As(err, &unknown):
		word := unknown.GetSpecifiedName()
		if group := unknown.GetSpecifiedShortnames(); len(group) > 1 {
			word = group // "-jsno": one dash too few
		}
		if near := p.nearestFlag(word); near != "" {
			err = fmt.Errorf("%w; did you mean --%s?", err, near)
		}
	}
	return &UsageError{fmt.Errorf("%w (%s -h shows them all)", err, p.voice.Program)}
}

// nearestFlag returns the flag whose name looks most like word, or "".
func (p *Program) nearestFlag(word string) string {
	best, distance := "", 2+len(word)/4
	p.Flags().VisitAll(func(f *pflag.Flag) {
		d := store.Distance(word, f.Name)
		if len(word) > 2 && strings.HasPrefix(f.Name, word) {
			d = 1
		}
		if d < distance {
			best, distance = f.Name, d
		}
	})
	return best
}

// singleDash refuses the long name of a flag behind a single dash: "-output x" would
// otherwise be the same as "--output utput".
func (p *Program) singleDash(args []string) error {
	flags := p.Flags()
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		arg := args[i]
		if long, ok := strings.CutPrefix(arg, "--"); ok {
			if f := flags.Lookup(long); f != nil && f.NoOptDefVal == "" {
				i++ // its value
			}
			continue
		}
		group, ok := strings.CutPrefix(arg, "-")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(group, "=")
		if len(name) > 1 && flags.Lookup(name) != nil {
			return &UsageError{fmt.Errorf("-%s has one dash too few; write --%s (%s -h shows all flags)", name, name, p.voice.Program)}
		}
		for at := range group {
			f := flags.ShorthandLookup(group[at : at+1])
			if f == nil {
				break
			}
			if f.NoOptDefVal == "" {
				if at == len(group)-1 {
					i++ // its value
				}
				break
			}
		}
	}
	return nil
}

// alone has the flags that start no transfer, each with the flags that may accompany it.
var alone = map[string][]string{
	"peers":  {"name", "json", "quiet", "verbose"},
	"forget": {"json", "quiet", "verbose"},
	"grant":  {"json", "quiet", "verbose"},
	"revoke": {"json", "quiet", "verbose"},
}

// checkAlone refuses arguments and flags that a flag of alone would ignore.
func checkAlone(flags *pflag.FlagSet, args []string) error {
	for _, name := range slices.Sorted(maps.Keys(alone)) {
		f := flags.Lookup(name)
		if f == nil || !f.Changed || f.Value.String() == "false" {
			continue
		}
		var err error
		if f.Value.String() == "" {
			err = fmt.Errorf("--%s takes the name of a saved peer", name)
		}
		if len(args) > 0 {
			err = fmt.Errorf("--%s is not for a transfer, and takes no arguments besides: %q", name, args)
		}
		flags.Visit(func(other *pflag.Flag) {
			if other != f && !slices.Contains(alone[name], other.Name) && other.Value.String() != "false" {
				err = fmt.Errorf("--%s is not for a transfer: --%s does not go with it", name, other.Name)
			}
		})
		if err != nil {
			return &UsageError{err}
		}
	}
	return nil
}
