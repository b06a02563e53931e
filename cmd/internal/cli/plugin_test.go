package cli

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestIsPlugin(t *testing.T) {
	for file, want := range map[string]bool{
		"docker-imgsend": true, "/usr/libexec/docker/cli-plugins/docker-imgsend": true, "docker-imgsend.exe": true,
		"imgsend": false, "docker-imgrecv": false, "docker-imgsend/imgsend": false,
	} {
		if isPlugin(file, "imgsend") != want {
			t.Errorf("%s: %v", file, !want)
		}
	}
}

func TestPluginArgs(t *testing.T) {
	for line, want := range map[string]string{
		"imgsend a --to b":                 "a --to b",
		"-D -l debug imgsend imgsend -H x": "imgsend -H x",
		"--help imgsend":                   "--help",
		"help imgsend":                     "--help",
		"__complete imgsend we":            "__complete we",
		"__completeNoDesc imgsend --to b":  "__completeNoDesc --to b",
	} {
		got, err := pluginArgs("imgsend", strings.Fields(line))
		if err != nil || !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
	for _, line := range []string{"", "webapp", "help", "-H", "--tls imgsend a"} {
		if got, err := pluginArgs("imgsend", strings.Fields(line)); err == nil {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// The options of docker before the plugin's name stand over the environment.
func TestPluginEnvironment(t *testing.T) {
	for line, want := range map[string][3]string{
		"imgsend a":                        {"tcp://env", "env", "/env"},
		"-H tcp://there imgsend a":         {"tcp://there", "default", "/env"},
		"--context far imgsend a":          {"", "far", "/env"},
		"--config /there imgsend -c local": {"tcp://env", "env", "/there"},
	} {
		t.Setenv("DOCKER_HOST", "tcp://env")
		t.Setenv("DOCKER_CONTEXT", "env")
		t.Setenv("DOCKER_CONFIG", "/env")
		if _, err := pluginArgs("imgsend", strings.Fields(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if got := [3]string{os.Getenv("DOCKER_HOST"), os.Getenv("DOCKER_CONTEXT"), os.Getenv("DOCKER_CONFIG")}; got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
