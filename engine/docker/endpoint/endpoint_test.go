package endpoint

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// farID is the SHA-256 of "far".
const farID = "512eea46ceb3921dff4363c7069d89d4964d1d9fccaa0f411851a7aa60a5c868"

// dockerConfig writes the files of a docker context called far.
func dockerConfig(t *testing.T, current string) string {
	t.Helper()
	dir := t.TempDir()
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "config.json"), `{"currentContext":"`+current+`"}`)
	write(filepath.Join(dir, "contexts", "meta", farID, "meta.json"),
		`{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"ssh://admin@far","SkipTLSVerify":false}}}`)
	return dir
}

// TestEndpointOrder checks what names the engine: -H, DOCKER_HOST, the docker
// context, and nothing else.
func TestEndpointOrder(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", dockerConfig(t, "far"))
	t.Setenv("DOCKER_CONTEXT", "")
	t.Setenv("DOCKER_HOST", "tcp://10.0.0.7:2375")
	for _, test := range []struct{ flag, env, context, host, from string }{
		{"unix:///a.sock", "tcp://10.0.0.7:2375", "", "unix:///a.sock", "-H"},
		{"/a.sock", "", "", "unix:///a.sock", "-H"},
		{`\\.\pipe\docker_engine`, "", "", "npipe:////./pipe/docker_engine", "-H"},
		{"//./pipe/docker_engine", "", "", "npipe:////./pipe/docker_engine", "-H"},
		{"", "tcp://10.0.0.7:2375", "", "tcp://10.0.0.7:2375", "DOCKER_HOST"},
		{"", "", "", "ssh://admin@far", "docker context far"},
		{"", "", "default", "", ""},
	} {
		t.Setenv("DOCKER_HOST", test.env)
		t.Setenv("DOCKER_CONTEXT", test.context)
		ep, err := configured(test.flag)
		if err != nil || ep.Host != test.host || ep.From != test.from {
			t.Errorf("%+v: %+v, %v", test, ep, err)
		}
	}
	t.Setenv("DOCKER_CONTEXT", "nowhere")
	if _, err := configured(""); err == nil || !strings.Contains(err.Error(), `"nowhere" does not exist`) {
		t.Errorf("unknown context: %v", err)
	}
}

// A named pipe is an address everywhere, and elsewhere than on Windows it says at once
// that there are none.
func TestNamedPipe(t *testing.T) {
	err := Endpoint{Host: "npipe:////./pipe/imgsend-nowhere"}.Reachable(t.Context())
	if runtime.GOOS == "windows" {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a pipe that is not there: %v", err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), "only Windows has named pipes") {
		t.Errorf("not on Windows: %v", err)
	}
	for _, host := range UsualHosts() {
		if !strings.HasPrefix(host, "unix:///") {
			t.Errorf("usual: %s", host)
		}
	}
}
