package docker

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// A container's settings, as an engine tells them, make the line that starts it again.
func TestRunLine(t *testing.T) {
	tests := []struct {
		name, host, config, networks string
		bare                         bool
		line                         string
		lost                         []string
	}{
		{name: "nothing set", line: "docker run -d --name web web:2"},
		{name: "defaults of engines", host: `{"NetworkMode":"bridge","RestartPolicy":{"Name":"no"},"IpcMode":"private","ShmSize":67108864}`,
			networks: `{"bridge":{}}`, line: "docker run -d --name web web:2"},
		{name: "of Podman", host: `{"NetworkMode":"slirp4netns","IpcMode":"shareable","PidMode":"private"}`, line: "docker run -d --name web web:2"},
		{name: "on a terminal", config: `{"AttachStdout":true,"OpenStdin":true,"Tty":true}`, host: `{"AutoRemove":true}`,
			line: "docker run -i -t --rm --name web web:2"},
		{name: "ports", host: `{"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}],"53/udp":[{"HostIp":"127.0.0.1","HostPort":"5353"},{"HostIp":"::1","HostPort":"5353"}],"9/tcp":[{}]}}`,
			line: "docker run -d --name web -p 127.0.0.1:5353:53/udp -p '[::1]:5353:53/udp' -p 8080:80 -p 9 web:2",
			lost: []string{"port 127.0.0.1:5353:53/udp", "port [::1]:5353:53/udp", "port 8080:80", "port 9"}},
		{name: "restart and networks", host: `{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"NetworkMode":"backend"}`, networks: `{"backend":{},"front":{}}`,
			line: "docker run -d --name web --restart on-failure:3 --network backend --network front web:2",
			lost: []string{"restart policy on-failure:3", "network backend", "network front"}},
		{name: "the host's network", host: `{"NetworkMode":"host"}`, config: `{"Hostname":"outer"}`, networks: `{"host":{}}`,
			line: "docker run -d --name web --network host web:2", lost: []string{"network host"}},
		{name: "mounts", host: `{"Binds":["data:/data","/srv/my files:/srv:ro"],"Tmpfs":{"/run":"","/tmp":"size=1m"},
			"Mounts":[{"Type":"volume","Source":"pg","Target":"/pg","ReadOnly":true},{"Type":"bind","Source":"/a,b","Target":"/ab"},{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":1024}}]}`,
			line: `docker run -d --name web -v data:/data -v '/srv/my files:/srv:ro' --mount type=volume,source=pg,target=/pg,readonly` +
				` --mount 'type=bind,"source=/a,b",target=/ab' --mount type=tmpfs,target=/t,tmpfs-size=1024 --tmpfs /run --tmpfs /tmp:size=1m web:2`},
		{name: "rights and limits", host: `{"Privileged":true,"CapAdd":["NET_ADMIN"],"Devices":[{"PathOnHost":"/dev/fuse","PathInContainer":"/dev/fuse","CgroupPermissions":"rwm"}],
			"DeviceRequests":[{"Count":-1,"Capabilities":[["gpu"]]}],"PidMode":"host","Sysctls":{"net.core.somaxconn":"9"},"ReadonlyRootfs":true,"Init":true,"Memory":1000,"NanoCpus":1500000000,
			"ShmSize":1073741824,"PidsLimit":100,"Ulimits":[{"Name":"nofile","Soft":1024,"Hard":2048},{"Name":"RLIMIT_NPROC","Soft":1,"Hard":1}],"UsernsMode":"host","Runtime":"runsc"}`,
			line: "docker run -d --name web --privileged --cap-add NET_ADMIN --device /dev/fuse --gpus all --pid host --sysctl net.core.somaxconn=9 --read-only --init --memory 1000 --cpus 1.5 --shm-size 1073741824 --pids-limit 100 --ulimit nofile=1024:2048 --userns host --runtime runsc web:2"},
		{name: "the image has the settings", config: `{"Env":["A=b"],"Cmd":["serve"],"User":"www"}`, line: "docker run -d --name web web:2"},
		{name: "the image has none", bare: true, config: `{"Hostname":"outer","Env":["PASSWORD=it's $b"],"Entrypoint":["/bin/sh","-c"],"Cmd":["echo *\u001b[2J"],"User":"www","WorkingDir":"/srv"}`,
			line: `docker run -d --name web --hostname outer -e PASSWORD -u www -w /srv --entrypoint /bin/sh web:2 -c 'echo * [2J'`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := &Container{inspect: webContainer(t, test.host, test.config, test.networks)}
			if line := c.RunLine("docker", "web:2", test.bare); line != test.line {
				t.Errorf("%s\nnot %s", line, test.line)
			}
			if lost := c.Lost(); !slices.Equal(lost, test.lost) {
				t.Errorf("lost: %s", strings.Join(lost, ", "))
			}
		})
	}
}

// webContainer is the container "web" with these settings, as JSON.
func webContainer(t *testing.T, host, config, networks string) container.InspectResponse {
	t.Helper()
	in := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{ID: "0123456789abcdef", Name: "/web", HostConfig: &container.HostConfig{}},
		Config:            &container.Config{Hostname: "0123456789ab"},
		NetworkSettings:   &container.NetworkSettings{},
	}
	for text, into := range map[string]any{host: in.HostConfig, config: in.Config, networks: &in.NetworkSettings.Networks} {
		if text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	return in
}
