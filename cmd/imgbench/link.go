package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

// The ends of the link. Each is alone in a network namespace, so that the
// addresses meet no others.
const (
	sendAddr   = "10.73.0.1"
	recvAddr   = "10.73.0.2"
	linkDevice = "lan0"
)

// A link is two network namespaces joined by a veth pair.
type link struct {
	sender, receiver string // namespaces
	rate             int64  // bits a second; 0: no limit
}

// newLink makes a link that carries rate bits a second in each direction; 0 is
// no limit. The caller closes it.
func newLink(ctx context.Context, rate int64) (l *link, err error) {
	for _, tool := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%s is needed for the link (package iproute2): %w", tool, err)
		}
	}
	l = &link{sender: fmt.Sprintf("imgbench-%d-a", os.Getpid()), receiver: fmt.Sprintf("imgbench-%d-b", os.Getpid()), rate: rate}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("make the link: %w", err), l.close())
		}
	}()
	steps := [][]string{
		{"ip", "netns", "add", l.sender},
		{"ip", "netns", "add", l.receiver},
		{"ip", "-n", l.sender, "link", "add", linkDevice, "type", "veth", "peer", "name", linkDevice, "netns", l.receiver},
	}
	for ns, addr := range map[string]string{l.sender: sendAddr, l.receiver: recvAddr} {
		steps = append(steps,
			[]string{"ip", "-n", ns, "link", "set", "lo", "up"},
			// Without IPv6 nothing speaks on the link but what is measured.
			[]string{"ip", "-n", ns, "link", "set", linkDevice, "addrgenmode", "none"},
			[]string{"ip", "-n", ns, "addr", "add", addr + "/30", "dev", linkDevice},
			[]string{"ip", "-n", ns, "link", "set", linkDevice, "up"})
		if rate > 0 {
			steps = append(steps, []string{"tc", "-n", ns, "qdisc", "add", "dev", linkDevice, "root", "tbf",
				"rate", fmt.Sprintf("%dbit", rate), "burst", strconv.FormatInt(burst(rate), 10), "latency", "50ms"})
		}
	}
	for _, argv := range steps {
		if _, err := output(ctx, argv...); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// burst returns how many bytes may pass at once: what the rate carries in 2 ms,
// but at least the largest packet that the kernel hands to a device.
func burst(rate int64) int64 { return max(64<<10, rate/8/500) }

// close removes the link. Programs that still run in it are cut off.
func (l *link) close() error {
	var errs []error
	for _, ns := range []string{l.sender, l.receiver} {
		if _, err := os.Stat("/run/netns/" + ns); err != nil {
			continue
		}
		_, err := output(context.Background(), "ip", "netns", "del", ns)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// in returns the command that runs another in a namespace.
func in(ns string, argv ...string) []string {
	return append([]string{"ip", "netns", "exec", ns}, argv...)
}

// bytes returns how many bytes have crossed the link, in both directions.
func (l *link) bytes(ctx context.Context) (int64, error) {
	out, err := output(ctx, "ip", "-n", l.sender, "-s", "-j", "link", "show", "dev", linkDevice)
	if err != nil {
		return 0, err
	}
	return parseCounters(out)
}

// parseCounters adds up what "ip -s -j link show" says of one device.
func parseCounters(text string) (int64, error) {
	type counter struct{ Bytes int64 }
	var devices []struct {
		Stats64 *struct{ RX, TX counter }
	}
	if err := json.Unmarshal([]byte(text), &devices); err != nil {
		return 0, fmt.Errorf("read the link's counters: %w", err)
	}
	if len(devices) != 1 || devices[0].Stats64 == nil {
		return 0, errors.New("read the link's counters: ip shows none")
	}
	return devices[0].Stats64.RX.Bytes + devices[0].Stats64.TX.Bytes, nil
}
