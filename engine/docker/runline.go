package docker

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/imgsend/imgsend/transfer"
)

// RunLine returns the command line, quoted for a shell, that starts a container like
// this one from an image of it: with the same name, ports, mounts, networks and limits.
// program is "docker" or another that takes the same options, image the name of the
// image. bare says that the image has the container's files alone: then the line sets
// its command and the names of its environment variables too.
//
// The line has most of what users set, and leaves out what engines set by themselves.
// Environment variables have no values in it, which may be secret: docker run takes
// them from its own environment. What could upset a terminal is replaced.
func (c *Container) RunLine(program, image string, bare bool) string {
	words := append([]string{program, "run"}, runOptions(c.inspect, bare)...)
	words = append(words, image)
	if bare {
		words = append(words, runCommand(c.inspect.Config)...)
	}
	for i, w := range words {
		words[i] = quoted(transfer.Printable(w))
	}
	return strings.Join(words, " ")
}

// Lost returns what an image of the container does not keep besides the files of its
// mounts: "port 8080:80", "restart policy always", "network backend".
func (c *Container) Lost() []string {
	var out []string
	h := c.inspect.HostConfig
	if h == nil {
		return nil
	}
	for _, p := range ports(h) {
		out = append(out, "port "+p)
	}
	if p := restartPolicy(h); p != "" {
		out = append(out, "restart policy "+p)
	}
	for _, n := range networks(c.inspect) {
		out = append(out, "network "+n)
	}
	return out
}

// An option is one of docker run with its values; "" stands for none.
type option struct {
	flag   string
	values []string
}

// runOptions returns the options for docker run that make a container like this one.
func runOptions(in container.InspectResponse, bare bool) []string {
	h, c := in.HostConfig, in.Config
	if h == nil {
		h = &container.HostConfig{}
	}
	hostname := c.Hostname
	if h.NetworkMode.IsHost() || h.NetworkMode.IsContainer() || strings.HasPrefix(in.ID, hostname) {
		hostname = ""
	}
	options := []option{
		{"-d", on(!c.AttachStdout)},
		{"-i", on(c.OpenStdin)},
		{"-t", on(c.Tty)},
		{"--rm", on(h.AutoRemove)},
		{"--name", one(strings.TrimPrefix(in.Name, "/"))},
		{"--hostname", one(hostname)},
		{"--restart", one(restartPolicy(h))},
		{"--network", networks(in)},
		{"-p", ports(h)},
		{"-P", on(h.PublishAllPorts)},
		{"-v", h.Binds},
		{"--mount", mountOptions(h.Mounts)},
		{"--tmpfs", tmpfs(h)},
		{"--volumes-from", h.VolumesFrom},
		{"--privileged", on(h.Privileged)},
		{"--cap-add", h.CapAdd},
		{"--cap-drop", h.CapDrop},
		{"--security-opt", h.SecurityOpt},
		{"--device", devices(h)},
		{"--gpus", gpus(h)},
		{"--group-add", h.GroupAdd},
		{"--pid", one(unlessPrivate(string(h.PidMode)))},
		{"--ipc", one(unlessPrivate(string(h.IpcMode)))},
		{"--uts", one(unlessPrivate(string(h.UTSMode)))},
		{"--dns", h.DNS},
		{"--dns-search", h.DNSSearch},
		{"--add-host", h.ExtraHosts},
		{"--sysctl", pairs(h.Sysctls, "=")},
		{"--read-only", on(h.ReadonlyRootfs)},
		{"--init", on(h.Init != nil && *h.Init)},
		{"--memory", number(h.Memory)},
		{"--cpus", cpus(h.NanoCPUs)},
		{"--cpu-shares", number(h.CPUShares)},
		{"--cpuset-cpus", one(h.CpusetCpus)},
		{"--shm-size", number(unless(h.ShmSize, usualShm))},
		{"--pids-limit", pids(h.PidsLimit)},
		{"--ulimit", ulimits(h)},
		{"--userns", one(unlessPrivate(string(h.UsernsMode)))},
		{"--runtime", one(unlessUsual(h.Runtime))},
	}
	if bare {
		options = append(options, option{"-e", envNames(c.Env)}, option{"-u", one(c.User)}, option{"-w", one(c.WorkingDir)})
		if len(c.Entrypoint) > 0 {
			options = append(options, option{"--entrypoint", one(c.Entrypoint[0])})
		}
	}
	var out []string
	for _, o := range options {
		for _, v := range o.values {
			out = append(out, o.flag)
			if v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}

// runCommand returns the words that follow the image: its entry point but for the first
// word, which is an option, and its command.
func runCommand(c *container.Config) []string {
	var out []string
	if len(c.Entrypoint) > 0 {
		out = append(out, c.Entrypoint[1:]...)
	}
	return append(out, c.Cmd...)
}

// on returns the value of an option that takes none.
func on(set bool) []string {
	if set {
		return []string{""}
	}
	return nil
}

func one(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

func number(n int64) []string {
	if n <= 0 {
		return nil
	}
	return []string{strconv.FormatInt(n, 10)}
}

// usualShm is the size of /dev/shm that engines give, in bytes.
const usualShm = 64 << 20

// unless returns n, or 0 if it is the usual value.
func unless(n, usual int64) int64 {
	if n == usual {
		return 0
	}
	return n
}

func pids(limit *int64) []string {
	if limit == nil || *limit == 2048 { // Podman's own
		return nil
	}
	return number(*limit)
}

// unlessUsual returns a runtime that is not one of those that engines take by themselves.
func unlessUsual(runtime string) string {
	switch runtime {
	case "runc", "crun", "oci", "io.containerd.runc.v2":
		return ""
	}
	return runtime
}

func ulimits(h *container.HostConfig) []string {
	var out []string
	for _, u := range h.Ulimits {
		if u != nil && !strings.HasPrefix(u.Name, "RLIMIT_") { // which is how Podman lists its own
			out = append(out, u.String())
		}
	}
	return out
}

// envNames returns the names of environment variables.
func envNames(env []string) []string {
	var out []string
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		out = append(out, name)
	}
	return out
}

func cpus(nano int64) []string {
	if nano <= 0 {
		return nil
	}
	return []string{strconv.FormatFloat(float64(nano)/1e9, 'f', -1, 64)}
}

// pairs returns KEY=VALUE for each key, sorted; KEY alone if it has no value.
func pairs(m map[string]string, between string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if m[k] == "" {
			out = append(out, k)
			continue
		}
		out = append(out, k+between+m[k])
	}
	return out
}

// unlessPrivate returns a namespace that is not one of the defaults.
func unlessPrivate(mode string) string {
	if mode == "private" || mode == "shareable" {
		return ""
	}
	return mode
}

// ports returns the published ports as -p takes them: "127.0.0.1:8080:80/udp".
func ports(h *container.HostConfig) []string {
	var out []string
	for _, port := range slices.Sorted(maps.Keys(h.PortBindings)) {
		inside := strings.TrimSuffix(string(port), "/tcp")
		for _, b := range h.PortBindings[port] {
			switch {
			case b.HostIP != "" && b.HostIP != "0.0.0.0":
				out = append(out, net.JoinHostPort(b.HostIP, b.HostPort)+":"+inside)
			case b.HostPort != "" && b.HostPort != "0":
				out = append(out, b.HostPort+":"+inside)
			default:
				out = append(out, inside)
			}
		}
	}
	return out
}

func restartPolicy(h *container.HostConfig) string {
	switch p := h.RestartPolicy; {
	case p.IsNone() || p.Name == "":
		return ""
	case p.MaximumRetryCount > 0:
		return fmt.Sprintf("%s:%d", p.Name, p.MaximumRetryCount)
	default:
		return string(p.Name)
	}
}

// defaultNetworks are what engines take where nothing is asked for.
var defaultNetworks = []string{"", "default", "bridge", "podman", "slirp4netns", "pasta", "nat"}

// networks returns the networks that the container was put on, the first one first.
func networks(in container.InspectResponse) []string {
	var out []string
	if in.HostConfig != nil {
		out = append(out, string(in.HostConfig.NetworkMode))
	}
	if in.NetworkSettings != nil {
		for _, name := range slices.Sorted(maps.Keys(in.NetworkSettings.Networks)) {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return slices.DeleteFunc(out, func(name string) bool { return slices.Contains(defaultNetworks, name) })
}

// mountOptions returns mounts as --mount takes them: fields between commas, quoted as
// CSV quotes them.
func mountOptions(list []mount.Mount) []string {
	var out []string
	for _, m := range list {
		fields := []string{"type=" + cmp.Or(string(m.Type), "bind")}
		if m.Source != "" {
			fields = append(fields, "source="+m.Source)
		}
		fields = append(fields, "target="+m.Target)
		if m.ReadOnly {
			fields = append(fields, "readonly")
		}
		if t := m.TmpfsOptions; t != nil && t.SizeBytes > 0 {
			fields = append(fields, fmt.Sprintf("tmpfs-size=%d", t.SizeBytes))
		}
		if v := m.VolumeOptions; v != nil && v.Subpath != "" {
			fields = append(fields, "volume-subpath="+v.Subpath)
		}
		var text strings.Builder
		w := csv.NewWriter(&text)
		_ = w.Write(fields) // a Builder takes everything
		w.Flush()
		out = append(out, strings.TrimSuffix(text.String(), "\n"))
	}
	return out
}

func tmpfs(h *container.HostConfig) []string { return pairs(h.Tmpfs, ":") }

func devices(h *container.HostConfig) []string {
	var out []string
	for _, d := range h.Devices {
		text := d.PathOnHost
		if d.PathInContainer != d.PathOnHost || d.CgroupPermissions != "rwm" {
			text += ":" + d.PathInContainer + ":" + cmp.Or(d.CgroupPermissions, "rwm")
		}
		out = append(out, text)
	}
	return out
}

// gpus returns the value of --gpus for a request of all of them, or of some number.
func gpus(h *container.HostConfig) []string {
	for _, r := range h.DeviceRequests {
		for _, c := range r.Capabilities {
			switch {
			case !slices.Contains(c, "gpu"):
			case r.Count == -1:
				return []string{"all"}
			case r.Count > 0:
				return []string{strconv.Itoa(r.Count)}
			}
		}
	}
	return nil
}

// plainWord is what no shell changes.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$`)

// quoted returns a word as a shell reads it.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
