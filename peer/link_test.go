package peer_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
	manet "github.com/multiformats/go-multiaddr/net"
)

// link is a network between a dialer and a host. It forwards TCP connections at a given rate
// and with a given delay in each direction.
type link struct {
	rate   float64 // bytes per second
	delay  time.Duration
	socket net.Listener
	target string
	open   sync.WaitGroup
}

// newLink returns a link to target and the target as seen through it.
func newLink(t testing.TB, target peer.Target, rate float64, delay time.Duration) peer.Target {
	t.Helper()
	_, address, err := manet.DialArgs(target.Addr)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{rate: rate, delay: delay, socket: socket, target: address}
	l.open.Go(l.serve)
	t.Cleanup(func() { socket.Close(); l.open.Wait() })
	near, err := manet.FromNetAddr(socket.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return peer.Target{ID: target.ID, Addr: near}
}

func (l *link) serve() {
	for {
		near, err := l.socket.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", l.target)
		if err != nil {
			near.Close()
			continue
		}
		l.open.Go(func() { l.carry(far, near) })
		l.open.Go(func() { l.carry(near, far) })
	}
}

type packet struct {
	data []byte
	due  time.Time
}

// carry copies bytes in one direction. Like a router, it buffers little more than is in
// transit.
func (l *link) carry(to, from net.Conn) {
	const mtu = 16 << 10
	held := 2 + int(l.rate*l.delay.Seconds())/mtu + (256<<10)/mtu
	wire := make(chan packet, held)
	l.open.Go(func() {
		defer to.Close()
		for p := range wire {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.data); err != nil {
				from.Close()
				io.Copy(io.Discard, from)
			}
		}
	})
	defer close(wire)
	free := time.Now() // when the wire can take the next packet
	for {
		data := make([]byte, mtu)
		n, err := from.Read(data)
		if n > 0 {
			now := time.Now()
			if free.Before(now) {
				free = now
			}
			free = free.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
			wire <- packet{data[:n], free.Add(l.delay)}
		}
		if err != nil {
			return
		}
	}
}

// BenchmarkLink sends 64 MiB over a new connection in each run, through 1 Gbit/s (125 MB/s)
// with the given round trip time.
func BenchmarkLink(b *testing.B) {
	const gigabit = 125e6
	const total, size = 64 << 20, 1 << 20
	for _, rtt := range []time.Duration{0, time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond} {
		b.Run("rtt="+rtt.String(), func(b *testing.B) {
			key := peertest.NewKey(b)
			host := listen(b, "127.0.0.1:0", only(b, key))
			target := newLink(b, at(b, host), gigabit, rtt/2)
			block := make([]byte, size)
			b.SetBytes(total)
			for range b.N {
				out := dial(b, key, target)
				in := accept(b, host)
				done := make(chan int64, 1)
				go func() {
					n, _ := io.CopyBuffer(io.Discard, struct{ io.Reader }{in}, make([]byte, 256<<10))
					in.Close()
					done <- n
				}()
				for range total / size {
					if _, err := out.Write(block); err != nil {
						b.Fatal(err)
					}
				}
				if err := out.Close(); err != nil {
					b.Fatal(err)
				}
				if n := <-done; n != total {
					b.Fatalf("%d bytes arrived", n)
				}
			}
		})
	}
}
