package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli-plugins/metadata"
	"github.com/spf13/pflag"
)

// isPlugin reports whether the Docker CLI calls a program as its plugin: the file is called
// docker-imgsend then.
func isPlugin(file, program string) bool {
	name := strings.TrimSuffix(filepath.Base(file), ".exe")
	return name == metadata.NamePrefix+program
}

// describePlugin writes the metadata for which the Docker CLI asks a plugin first.
func (p *Program) describePlugin(w io.Writer) error {
	return json.NewEncoder(w).Encode(metadata.Metadata{
		SchemaVersion:    "0.1.0",
		Vendor:           "imgsend",
		Version:          Version(),
		ShortDescription: strings.ToUpper(p.words.Short[:1]) + p.words.Short[1:],
	})
}

// pluginArgs returns the arguments of a program that the Docker CLI calls with its own: its
// global options, the name of the plugin, and the rest. It sets the variables that say the
// same as the global options.
func pluginArgs(program string, args []string) ([]string, error) {
	if len(args) > 1 && completes(args) && args[1] == program {
		return append([]string{args[0]}, args[2:]...), nil
	}
	global := pflag.NewFlagSet("docker", pflag.ContinueOnError)
	global.SetInterspersed(false)
	global.SetOutput(io.Discard)
	host := global.StringP("host", "H", "", "")
	context := global.StringP("context", "c", "", "")
	config := global.String("config", "", "")
	global.StringP("log-level", "l", "", "")
	global.BoolP("debug", "D", false, "")
	help := global.Bool("help", false, "")
	err := global.Parse(args)
	rest := global.Args()
	if err == nil && len(rest) > 1 && rest[0] == "help" {
		*help, rest = true, rest[1:]
	}
	switch {
	case err != nil:
		return nil, &UsageError{fmt.Errorf("docker %s does not take this option of docker: %w", program, err)}
	case len(rest) == 0 || rest[0] != program:
		return nil, &UsageError{fmt.Errorf("this is a plugin of docker; call it as docker %s", program)}
	case *help:
		return []string{"--help"}, nil
	}
	var errs []error
	if *config != "" {
		errs = append(errs, os.Setenv("DOCKER_CONFIG", *config))
	}
	if *host != "" || *context != "" {
		errs = append(errs, os.Setenv("DOCKER_HOST", *host), os.Setenv("DOCKER_CONTEXT", cmp.Or(*context, "default")))
	}
	return rest[1:], errors.Join(errs...)
}
