package peer_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/imgsend/imgsend/peer/internal/peertest"
)

func init() {
	peertest.Helpers["drain"] = helperDrain
	peertest.Helpers["pour"] = helperPour
}

// helperDrain prints its address, reads one stream to its end, and prints the
// number of bytes read after each read.
func helperDrain() error {
	host, err := helperHost()
	if err != nil {
		return err
	}
	defer host.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	in, err := host.Accept(ctx)
	if err != nil {
		return err
	}
	var total int
	buf := make([]byte, 64<<10)
	for {
		n, err := in.Read(buf)
		total += n
		fmt.Println(total)
		if errors.Is(err, io.EOF) {
			return in.Close()
		}
		if err != nil {
			return err
		}
	}
}

// helperPour dials and writes PEER_TEST_BYTES random bytes.
func helperPour() error {
	s, err := helperDialed()
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(os.Getenv("PEER_TEST_BYTES"), 10, 64)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(s, rand.Reader, n); err != nil {
		return err
	}
	if err := s.CloseWrite(); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, s); err != nil {
		return err
	}
	return s.Close()
}

// readCount reads lines with a count of bytes until one is at least least.
func readCount(t *testing.T, r *bufio.Reader, least int) {
	t.Helper()
	for {
		n, err := strconv.Atoi(peertest.ReadLine(t, r))
		if err != nil {
			t.Fatal(err)
		}
		if n >= least {
			return
		}
	}
}

// shape limits what a namespace sends.
func shape(t *testing.T, ns, rate string) {
	t.Helper()
	peertest.Run(t, "ip", "netns", "exec", ns, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "10kb", "latency", "400ms")
}

// A stream survives an interruption of less than 30 s.
func TestStreamOutlivesACut(t *testing.T) {
	t.Parallel()
	for _, cut := range []time.Duration{8 * time.Second, 20 * time.Second} {
		t.Run(cut.String(), func(t *testing.T) {
			t.Parallel()
			n := peertest.NewNet(t)
			shape(t, n.Dialer, "16mbit")
			_, counts, drained := peertest.Start(t, n.Host, "drain")
			addr := peertest.ReadLine(t, counts)
			const total = 16 << 20
			_, _, poured := peertest.Start(t, n.Dialer, "pour", "PEER_TEST_TARGET="+addr, "PEER_TEST_BYTES="+strconv.Itoa(total))
			readCount(t, counts, 1<<20)
			peertest.Run(t, "ip", "-n", n.Host, "link", "set", "eth0", "down")
			time.Sleep(cut) // the length of the cut is what is tested
			peertest.Run(t, "ip", "-n", n.Host, "link", "set", "eth0", "up")
			up := time.Now()
			readCount(t, counts, 6<<20)
			t.Logf("5 MiB more arrived within %v", time.Since(up))
			readCount(t, counts, total)
			if err := errors.Join(poured(), drained()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A stream works over a slow connection on which queued data takes minutes.
func TestStreamOnASlowLine(t *testing.T) {
	t.Parallel()
	n := peertest.NewNet(t)
	shape(t, n.Dialer, "64kbit")
	shape(t, n.Host, "64kbit")
	_, counts, drained := peertest.Start(t, n.Host, "drain")
	addr := peertest.ReadLine(t, counts)
	const total = 256 << 10
	_, _, poured := peertest.Start(t, n.Dialer, "pour", "PEER_TEST_TARGET="+addr, "PEER_TEST_BYTES="+strconv.Itoa(total))
	readCount(t, counts, total)
	if err := errors.Join(poured(), drained()); err != nil {
		t.Error(err)
	}
}
