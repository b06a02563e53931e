package cmd_test

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/imgsend/imgsend/"

// TestImports checks that imports point one way: cmd to all; engine to its stores;
// these to engine/store and what is below it, and to transfer; transfer/wire to
// transfer; transfer and peer to none of the others. The parts of a store that know
// no engine stay so, and the parts of peer import nothing of this project.
func TestImports(t *testing.T) {
	docker := []string{module + "engine/docker", "github.com/docker/docker"}
	for pkg, banned := range map[string][]string{
		"transfer":     {module + "transfer/", module + "engine", module + "peer", module + "cmd", "github.com/docker/", "github.com/libp2p/", "github.com/klauspost/"},
		"transfer/...": {module + "engine", module + "peer", module + "cmd", "github.com/docker/", "github.com/libp2p/"},
		"peer/...":     {module + "engine", module + "transfer", module + "cmd", "github.com/docker/"},
		"engine/...":   {module + "peer", module + "cmd", module + "transfer/wire", "github.com/libp2p/"},

		"engine/layout":       append(docker, module+"engine/store", module+"engine/catalog"),
		"engine/contentstore": append(docker, module+"engine/store", module+"engine/catalog"),
		"engine/store":        append(docker, module+"engine/catalog", module+"engine/folder"),
		"engine/catalog":      append(docker, module+"engine/folder"),
		"engine/folder":       docker,
		"engine/archive":      append(docker, module+"engine/folder"),
		"engine/containerd":   append(docker, module+"engine/folder"),
		"engine/rootfs":       docker,

		"engine/docker/savetar":   {"github.com/docker/docker", module + "engine/store", "google.golang.org/grpc"},
		"engine/docker/layerpush": {"github.com/docker/docker", module + "engine/store", "google.golang.org/grpc"},
		"engine/docker/loopback":  {"github.com/docker/docker", module + "engine/store", module + "engine/layout", module + "transfer"},
		"engine/docker/buildkit":  {"github.com/docker/docker", module + "engine/store", module + "engine/layout", module + "transfer"},
		"engine/docker/libpod":    {"github.com/docker/docker", module + "engine/store", module + "engine/layout"},
		"engine/docker/endpoint":  {module + "engine/store", module + "engine/layout", "google.golang.org/grpc"},
	} {
		for _, dep := range dependencies(t, module+pkg) {
			for _, b := range banned {
				if strings.HasPrefix(dep, b) {
					t.Errorf("%s depends on %s", pkg, dep)
				}
			}
		}
	}
	for _, part := range []string{"peer/lan", "peer/internal/cpace", "peer/internal/state", "peer/internal/stack", "peer/internal/words", "peer/internal/peertest"} {
		for _, dep := range dependencies(t, module+part) {
			if strings.HasPrefix(dep, module) && dep != module+part {
				t.Errorf("%s depends on %s", part, dep)
			}
		}
	}
}

func dependencies(t *testing.T, packages string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", packages).CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	return strings.Fields(string(out))
}
