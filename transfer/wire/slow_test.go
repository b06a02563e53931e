package wire_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A slowLine is a pair of stream ends. The line between them has a limited rate and
// buffers some bytes in each direction.
type slowLine struct {
	out, in net.Conn
	rate    int           // bytes a second
	held    int           // bytes, of each direction
	pause   time.Duration // once, in the direction to the receiver,
	after   int           // before the byte with this number
}

// start starts the line, which ends with its test.
func (l *slowLine) start(t *testing.T) {
	var a, b net.Conn
	l.out, a = net.Pipe()
	b, l.in = net.Pipe()
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	carry := func(to, from net.Conn, pause time.Duration) {
		const piece = 500
		pieces := make(chan []byte, l.held/piece)
		wg.Go(func() {
			defer close(pieces)
			for {
				p := make([]byte, piece)
				n, err := from.Read(p)
				if err != nil {
					return
				}
				pieces <- p[:n]
			}
		})
		wg.Go(func() {
			defer to.Close()
			at := 0
			for p := range pieces {
				time.Sleep(time.Duration(len(p)) * time.Second / time.Duration(l.rate))
				if at += len(p); at > l.after && pause > 0 {
					time.Sleep(pause)
					pause = 0
				}
				if _, err := to.Write(p); err != nil {
					// The reader must not wait.
					for range pieces {
					}
				}
			}
		})
	}
	carry(b, a, l.pause)
	carry(a, b, 0)
}

// TestSlowLines copies over lines on which a single block takes longer than any
// patience.
func TestSlowLines(t *testing.T) {
	m := newImage("a:1", false, random(1, 3*block+1), text(2, 100))
	for name, l := range map[string]slowLine{
		"128 kbit/s":            {rate: 16_000},
		"2 kB/s":                {rate: 2000},
		"1 kB/s":                {rate: 1000},
		"2 kB/s, deep buffers":  {rate: 2000, held: 8 << 20},
		"16 kB/s, a pause":      {rate: 16_000, pause: 25 * time.Second, after: block},
		"16 kB/s, pause in end": {rate: 16_000, pause: 25 * time.Second, after: 3*block + 1000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l.start(t)
				r := transferRun{src: newSource(m), dst: newSink(), out: l.out, in: l.in, limit: 24 * time.Hour, compression: wire.CompressNone}
				r.do(t)
				if r.sendErr != nil || r.recvErr != nil {
					t.Fatalf("sender: %v after %v, receiver: %v", r.sendErr, r.sendTook, r.recvErr)
				}
				if least := time.Duration(3*block/l.rate) * time.Second; r.sendTook < least {
					t.Errorf("took %v, less than %v", r.sendTook, least)
				}
			})
		})
	}
}

// TestSlowLimit copies at the lowest rate that --limit takes.
func TestSlowLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		r := transferRun{src: newSource(newImage("a:1", false, random(1, 2*block))), dst: newSink(), limit: 24 * time.Hour,
			out: wire.Limit(a, 1000), in: b, compression: wire.CompressNone}
		r.do(t)
		if r.sendErr != nil || r.recvErr != nil {
			t.Errorf("sender: %v after %v, receiver: %v", r.sendErr, r.sendTook, r.recvErr)
		}
	})
}

// A slowSource is a memSource that gives so many bytes a second.
type slowSource struct {
	*memSource
	rate int
}

func (s slowSource) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	return s.memSource.Export(ctx, o, p, slowWriter{w, s.rate})
}

type slowWriter struct {
	transfer.BlobWriter
	rate int
}

func (w slowWriter) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	return w.BlobWriter.Put(ctx, d, readerFunc(func(p []byte) (int, error) {
		time.Sleep(time.Second)
		return r.Read(p[:min(len(p), w.rate)])
	}))
}

// TestSlowEngine has an engine export more slowly than a block in any patience:
// the receiver sees that it moves.
func TestSlowEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		r := transferRun{src: slowSource{newSource(newImage("a:1", false, random(1, 2*block))), 1000}, dst: newSink(),
			out: a, in: b, limit: 24 * time.Hour, compression: wire.CompressNone}
		r.do(t)
		if r.sendErr != nil || r.recvErr != nil {
			t.Errorf("sender: %v after %v, receiver: %v", r.sendErr, r.sendTook, r.recvErr)
		}
	})
}
