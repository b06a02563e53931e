package lab

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
	SendAddr   = "10.73.0.1"
	RecvAddr   = "10.73.0.2"
	linkDevice = "lan0"
)

// A Link is two network namespaces joined by a veth pair.
type Link struct {
	Sender, Receiver string // namespaces
	Rate             int64  // bits a second; 0: no limit
}

// NewLink makes a link that carries rate bits a second in each direction; 0 is
// no limit. The names of its namespaces begin with owner. The caller closes it.
func NewLink(ctx context.Context, owner string, rate int64) (l *Link, err error) {
	for _, tool := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%s is needed for the link (package iproute2): %w", tool, err)
		}
	}
	l = &Link{Sender: fmt.Sprintf("%s-%d-a", owner, os.Getpid()), Receiver: fmt.Sprintf("%s-%d-b", owner, os.Getpid()), Rate: rate}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("make the link: %w", err), l.Close())
		}
	}()
	steps := [][]string{
		{"ip", "netns", "add", l.Sender},
		{"ip", "netns", "add", l.Receiver},
		{"ip", "-n", l.Sender, "link", "add", linkDevice, "type", "veth", "peer", "name", linkDevice, "netns", l.Receiver},
	}
	for ns, addr := range map[string]string{l.Sender: SendAddr, l.Receiver: RecvAddr} {
		steps = append(steps,
			[]string{"ip", "-n", ns, "link", "set", "lo", "up"},
			// Without IPv6 nothing speaks on the link but the programs.
			[]string{"ip", "-n", ns, "link", "set", linkDevice, "addrgenmode", "none"},
			[]string{"ip", "-n", ns, "addr", "add", addr + "/30", "dev", linkDevice},
			[]string{"ip", "-n", ns, "link", "set", linkDevice, "up"})
		if rate > 0 {
			steps = append(steps, []string{"tc", "-n", ns, "qdisc", "add", "dev", linkDevice, "root", "tbf",
				"rate", fmt.Sprintf("%dbit", rate), "burst", strconv.FormatInt(burst(rate), 10), "latency", "50ms"})
		}
	}
	for _, argv := range steps {
		if _, err := Output(ctx, argv...); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// burst returns how many bytes may pass at once: what the rate carries in 2 ms,
// but at least the largest packet that the kernel hands to a device.
func burst(rate int64) int64 { return max(64<<10, rate/8/500) }

// Close removes the link. Programs that still run in it are cut off.
func (l *Link) Close() error {
	var errs []error
	for _, ns := range []string{l.Sender, l.Receiver} {
		if _, err := os.Stat("/run/netns/" + ns); err != nil {
			continue
		}
		_, err := Output(context.Background(), "ip", "netns", "del", ns)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Cut takes the link down. Programs notice only that nothing comes any more.
func (l *Link) Cut(ctx context.Context) error { return l.set(ctx, "down") }

// Mend takes the link up again.
func (l *Link) Mend(ctx context.Context) error { return l.set(ctx, "up") }

func (l *Link) set(ctx context.Context, state string) error {
	_, err := Output(ctx, "ip", "-n", l.Sender, "link", "set", linkDevice, state)
	return err
}

// In returns the command that runs another in a namespace.
func In(ns string, argv ...string) []string {
	return append([]string{"ip", "netns", "exec", ns}, argv...)
}

// Bytes returns how many bytes have crossed the link, in both directions.
func (l *Link) Bytes(ctx context.Context) (int64, error) {
	out, err := Output(ctx, "ip", "-n", l.Sender, "-s", "-j", "link", "show", "dev", linkDevice)
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
