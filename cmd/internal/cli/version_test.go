package cli

import (
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	defer func(v, c string) { version, commit = v, c }(version, commit)
	version, commit = "", ""
	if got := Version(); got == "" || strings.Contains(got, "(") {
		t.Errorf("a build that is no release is %q", got)
	}
	version, commit = "1.4.0", "0bc42f7ff218"
	for _, line := range []string{"imgsend 1.4.0\n", "\ncommit 0bc42f7ff218\n", "\nprotocol 1, features deciding many resume\n"} {
		if got := versionText("imgsend"); !strings.Contains(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
}
