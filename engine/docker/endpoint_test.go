package docker

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/transfer"
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

// TestFindFailsAtOnce checks that nobody waits for an engine that is not there.
func TestFindFailsAtOnce(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "tcp://" + ln.Addr().String()
	_ = ln.Close()
	ctx, cancel := context.WithTimeout(t.Context(), identifyTimeout)
	defer cancel()
	for _, host := range []string{"unix://" + filepath.Join(t.TempDir(), "e.sock"), closed} {
		_, err := Find(ctx, host)
		if ctx.Err() != nil {
			t.Fatal("it waits")
		}
		if transfer.KindOf(err) != transfer.KindEngine {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestFindInterrupted interrupts the wait for an engine that does not answer.
func TestFindInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "e.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range 2 { // the probe, and the question what it is
			if _, err := ln.Accept(); err != nil {
				return
			}
		}
		cancel()
	}()
	if _, err := Find(ctx, "unix://"+path); transfer.KindOf(err) != transfer.KindInterrupted {
		t.Errorf("interrupted: %v", err)
	}
}
