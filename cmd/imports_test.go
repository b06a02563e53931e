package cmd_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImports checks that imports point one way: cmd to all, engine to transfer,
// transfer and peer to neither.
func TestImports(t *testing.T) {
	const module = "github.com/imgsend/imgsend/"
	for pkg, banned := range map[string][]string{
		"transfer": {module + "engine", module + "peer", module + "cmd", "github.com/docker/", "github.com/libp2p/"},
		"peer":     {module + "engine", module + "transfer", module + "cmd", "github.com/docker/"},
		"engine":   {module + "peer", module + "cmd", "github.com/libp2p/"},
	} {
		out, err := exec.Command("go", "list", "-deps", module+pkg+"/...").CombinedOutput()
		if err != nil {
			t.Fatalf("go list: %v\n%s", err, out)
		}
		for dep := range strings.FieldsSeq(string(out)) {
			for _, b := range banned {
				if strings.HasPrefix(dep, b) {
					t.Errorf("%s depends on %s", pkg, dep)
				}
			}
		}
	}
}
