package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/imgsend/imgsend/transfer/wire"
)

// A release sets both with -ldflags -X.
var (
	version string // "1.4.0"
	commit  string // the revision of the sources
)

// Version is the version of the running program: that of its release, else that of the
// module it was installed from, else "devel".
func Version() string {
	built := ""
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		built = info.Main.Version
	}
	return cmp.Or(version, built, "devel")
}

// Commit is the revision that the program was built from, or "unknown".
func Commit() string {
	revision, changed := "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = ", changed"
			}
		}
	}
	if commit == "" && revision != "" {
		return revision + changed
	}
	return cmp.Or(commit, "unknown")
}

// versionText is the answer to --version.
func versionText(program string) string {
	return fmt.Sprintf("%s %s\ncommit %s\nprotocol %d, features %s\n%s %s/%s\n", program, Version(), Commit(),
		wire.Protocol, strings.Join(wire.Features(), " "), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
