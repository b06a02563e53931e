package lan_test

import (
	"testing"

	"github.com/imgsend/imgsend/peer/lan"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

func TestAddrsOfWildcard(t *testing.T) {
	shown := lan.Reachable([]ma.Multiaddr{ma.StringCast("/ip6/::/tcp/7420"), ma.StringCast("/ip4/0.0.0.0/tcp/7420")})
	loopback := false
	for _, addr := range shown {
		if manet.IsIPUnspecified(addr) || manet.IsIP6LinkLocal(addr) {
			t.Errorf("%s is shown", addr)
		}
		if loopback && !manet.IsIPLoopback(addr) {
			t.Errorf("loopback is not last in %v", shown)
		}
		loopback = loopback || manet.IsIPLoopback(addr)
	}
	if !loopback {
		t.Errorf("no loopback in %v", shown)
	}
	for name, want := range map[string]bool{
		"docker0": true, "br-8a7f": true, "veth12": true, "virbr0": true, "tun0": true, "tap1": true, "wg0": true, "cni0": true, "podman1": true,
		"eth0": false, "enp3s0": false, "wlan0": false, "wlp2s0": false, "bond0": false, "br0": false, "lo": false,
	} {
		if lan.IsVirtual(name) != want {
			t.Errorf("IsVirtual(%q) = %v", name, !want)
		}
	}
}
