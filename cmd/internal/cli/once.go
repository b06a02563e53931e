package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

// ParseFlags parses a command line. A flag that has one value is refused the
// second time: the first value would be lost. A switch may be repeated, as long
// as it says the same. Errors are of [UsageError] and do not repeat values of
// repeated flags, which may be secret.
func ParseFlags(flags *pflag.FlagSet, args []string) error {
	flags.VisitAll(func(f *pflag.Flag) {
		if _, many := f.Value.(pflag.SliceValue); !many {
			f.Value = &onceValue{Value: f.Value}
		}
	})
	var twice *pflag.InvalidValueError
	err := flags.Parse(args)
	switch {
	case errors.Is(err, errRepeated) && errors.As(err, &twice):
		return &UsageError{fmt.Errorf("--%s is given more than once", twice.GetFlag().Name)}
	case err != nil:
		return &UsageError{err}
	}
	return nil
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
