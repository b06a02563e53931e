// Package endpoint finds the address of a container engine with the Docker API: the one
// that -H, DOCKER_HOST or a docker context names, or the usual sockets.
//
// The package does not know what answers there.
package endpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/transfer"
)

// An Endpoint is the address of an engine's API.
type Endpoint struct {
	Host string // "unix:///var/run/docker.sock", "npipe:////./pipe/docker_engine", "tcp://…", "ssh://…"
	From string // what named it: "-H", "DOCKER_HOST", "docker context buildbox", "usual socket"

	certs string // folder with ca.pem, cert.pem and key.pem, or empty
}

// connectTimeout is for an address at which nobody answers: whoever runs the command by
// mistake on a host without an engine should not wait.
const connectTimeout = 1500 * time.Millisecond

// Reachable reports whether somebody listens at ep, where that is quickly told.
func (ep Endpoint) Reachable(ctx context.Context) error {
	network, address, ok := strings.Cut(ep.Host, "://")
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var conn net.Conn
	var err error
	switch {
	case ok && (network == "unix" || network == "tcp"):
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
	case ok && network == "npipe":
		conn, err = dialPipe(ctx, address)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	return conn.Close()
}

// Chosen returns the endpoint that the user chose, by -H, which is host, DOCKER_HOST
// or a docker context; of no Host if there is none. Its error is of
// [transfer.KindEngine].
func Chosen(host string) (Endpoint, error) {
	ep, err := configured(host)
	if err != nil {
		return Endpoint{}, &transfer.Error{Kind: transfer.KindEngine, Op: "find the engine", Err: err}
	}
	return ep, nil
}

// configured is Chosen with an error as it is.
func configured(host string) (Endpoint, error) {
	if host != "" {
		return Endpoint{Host: withScheme(host), From: "-H"}, nil
	}
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		ep := Endpoint{Host: host, From: "DOCKER_HOST"}
		if os.Getenv("DOCKER_TLS_VERIFY") != "" {
			if ep.certs = os.Getenv("DOCKER_CERT_PATH"); ep.certs == "" {
				ep.certs = dockerConfigDir()
			}
		}
		return ep, nil
	}
	return contextEndpoint(dockerConfigDir())
}

func dockerConfigDir() string {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".docker")
}

// contextEndpoint returns the endpoint of the current docker context, or none
// if that is the default one. The files are those of docker/cli: config.json
// has currentContext, contexts/meta/<SHA-256 of the name>/meta.json the host,
// contexts/tls/<the same>/docker its certificates.
func contextEndpoint(dir string) (Endpoint, error) {
	name := os.Getenv("DOCKER_CONTEXT")
	if name == "" {
		var config struct{ CurrentContext string }
		if err := readJSON(filepath.Join(dir, "config.json"), &config); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Endpoint{}, err
		}
		name = config.CurrentContext
	}
	if name == "" || name == "default" {
		return Endpoint{}, nil
	}
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := readJSON(filepath.Join(dir, "contexts", "meta", id, "meta.json"), &meta); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Endpoint{}, fmt.Errorf("the docker context %q does not exist", name)
		}
		return Endpoint{}, err
	}
	ep := Endpoint{Host: meta.Endpoints["docker"].Host, From: "docker context " + name}
	if ep.Host == "" {
		return Endpoint{}, fmt.Errorf("the docker context %q names no docker endpoint", name)
	}
	certs := filepath.Join(dir, "contexts", "tls", id, "docker")
	if _, err := os.Stat(filepath.Join(certs, "ca.pem")); err == nil {
		ep.certs = certs
	}
	return ep, nil
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// withScheme returns an address of -H, which may be just the path of a socket or of a
// named pipe, as an address of an engine.
func withScheme(host string) string {
	path := strings.ReplaceAll(host, `\`, "/")
	switch {
	case strings.HasPrefix(path, "//./pipe/"):
		return "npipe://" + path
	case strings.HasPrefix(host, "/"):
		return "unix://" + host
	}
	return host
}

// UsualHosts lists the addresses of engines that are not configured.
func UsualHosts() []string {
	if runtime.GOOS == "windows" {
		return []string{"npipe:////./pipe/docker_engine", "npipe:////./pipe/dockerDesktopLinuxEngine", "npipe:////./pipe/podman-machine-default"}
	}
	var hosts []string
	for _, path := range UsualSockets() {
		hosts = append(hosts, "unix://"+path)
	}
	return hosts
}

// UsualSockets lists where engines listen without being configured: Docker, rootless
// Docker, Docker Desktop, OrbStack, Rancher Desktop, Colima, Lima, rootless Podman,
// a Podman machine, Podman.
func UsualSockets() []string {
	paths := []string{"/var/run/docker.sock"}
	run := runtimeDir()
	if run != "" {
		paths = append(paths, filepath.Join(run, "docker.sock"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		for _, socket := range []string{".docker/run/docker.sock", ".docker/desktop/docker.sock", ".orbstack/run/docker.sock", ".rd/docker.sock",
			".colima/default/docker.sock", ".config/colima/default/docker.sock", ".lima/docker/sock/docker.sock"} {
			paths = append(paths, filepath.Join(home, socket))
		}
		if run == "" {
			paths = append(paths, filepath.Join(home, ".local/share/containers/podman/machine/podman.sock"))
		}
	}
	if run != "" {
		paths = append(paths, filepath.Join(run, "podman/podman.sock"))
	}
	return append(paths, "/run/podman/podman.sock")
}

// runtimeDir is the folder for a user's sockets, which a shell that was entered by su
// or sudo is not told, or empty where there is none.
func runtimeDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return dir
	}
	dir := fmt.Sprintf("/run/user/%d", os.Getuid())
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// Options returns the client settings that reach ep.
func (ep Endpoint) Options() ([]client.Opt, error) {
	helper, err := connhelper.GetConnectionHelper(ep.Host)
	if err != nil {
		return nil, err
	}
	if helper != nil { // ssh://
		return []client.Opt{
			client.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: helper.Dialer}}),
			client.WithHost(helper.Host),
			client.WithDialContext(helper.Dialer),
		}, nil
	}
	opts := []client.Opt{client.WithHost(ep.Host)}
	if ep.certs != "" {
		opts = append(opts, client.WithTLSClientConfig(filepath.Join(ep.certs, "ca.pem"),
			filepath.Join(ep.certs, "cert.pem"), filepath.Join(ep.certs, "key.pem")))
	}
	return opts, nil
}

// Local reports whether the engine can reach a port on this host's loopback
// interface, as far as its address tells.
func (ep Endpoint) Local() bool { return strings.HasPrefix(ep.Host, "unix://") }
