package wire_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// In these tests time is not real: a synctest bubble's clock jumps on when every
// goroutine waits.

// hang waits for the end of ctx, as an engine that does not answer.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// A hangingSource is a memSource whose blobs stop half way.
type hangingSource struct{ *memSource }

func (s hangingSource) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	return s.memSource.Export(ctx, o, p, hangingWriter{w})
}

type hangingWriter struct{ transfer.BlobWriter }

func (w hangingWriter) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if d.Size < 1000 {
		return w.BlobWriter.Put(ctx, d, r)
	}
	return w.BlobWriter.Put(ctx, d, io.MultiReader(io.LimitReader(r, d.Size/2), readerFunc(func([]byte) (int, error) {
		return 0, hang(ctx)
	})))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestEngineHangs has each of the two engines stop in each thing that it does,
// in this process and over a stream. Its side says so, and the other one hears
// it.
func TestEngineHangs(t *testing.T) {
	image := newImage("a:1", false, random(1, 3*block), random(2, 100))
	for _, test := range []struct {
		name  string
		at    direction
		set   func(src *memSource, dst *memSink) transfer.Source
		text  string
		after time.Duration
	}{
		{"plan", fromReceiver, func(s *memSource, d *memSink) transfer.Source { d.OnPlan = hang; return s },
			"the engine has not said what it has of the images for 5 min", 5 * time.Minute},
		{"export", fromSender, func(s *memSource, _ *memSink) transfer.Source { s.OnExport = hang; return s },
			"the engine has not given the next blob for 10 min", 10 * time.Minute},
		{"blob", fromSender, func(s *memSource, _ *memSink) transfer.Source { return hangingSource{s} },
			"the engine has not given more of blob " + image.Layers[0].Digest.String() + " for 5 min", 5 * time.Minute},
		{"put", fromReceiver, func(s *memSource, d *memSink) transfer.Source {
			d.OnPut = func(ctx context.Context, n int) error {
				if n == 1 {
					return hang(ctx)
				}
				return nil
			}
			return s
		}, "the engine has not taken any data for 5 min", 5 * time.Minute},
		{"load", fromReceiver, func(s *memSource, d *memSink) transfer.Source { d.OnLoad = hang; return s },
			"the engine has not answered the load of 3146 kB for 10 min", 10 * time.Minute},
	} {
		t.Run(test.name+"/stream", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, dst := newSource(image), newSink()
				a, b := net.Pipe()
				r := transferRun{src: test.set(src, dst), dst: dst, out: a, in: b, limit: time.Hour, compression: wire.CompressNone}
				r.do(t)
				wantErr(t, "sender", r.sendErr, transfer.KindEngine, test.at == fromReceiver, test.text)
				wantErr(t, "receiver", r.recvErr, transfer.KindEngine, test.at == fromSender, test.text)
				wantNothing(t, dst)
				if r.sendTook < test.after || r.sendTook > test.after+45*time.Second {
					t.Errorf("ended after %v, not %v", r.sendTook, test.after)
				}
			})
		})
		t.Run(test.name+"/here", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, dst := newSource(image), newSink()
				_, err := transfer.Copy(t.Context(), test.set(src, dst), dst, transfer.Options{})
				wantErr(t, "copy", err, transfer.KindEngine, false, test.text)
			})
		})
	}
}

// A puppet is a scripted end of a stream. It sends a hello and the frames that the test
// chooses, and reads all frames that it receives.
type puppet struct {
	t     *testing.T
	c     net.Conn
	heard chan wireFrame
	deaf  atomic.Bool // it reads no more
}

// newPuppet starts a puppet that acts and then closes the stream. It returns the
// stream's other end.
func newPuppet(t *testing.T, act func(p *puppet)) net.Conn {
	a, b := net.Pipe()
	p := &puppet{t: t, c: b, heard: make(chan wireFrame, 10_000)}
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	wg.Go(func() {
		act(p)
		b.Close()
	})
	wg.Go(func() {
		defer close(p.heard)
		for !p.deaf.Load() {
			f, err := readWireFrame(b)
			if err != nil {
				return
			}
			if f.t != tAlive {
				p.heard <- f
			}
		}
	})
	return a
}

// hello says hello with these features.
func (p *puppet) hello(features ...string) {
	h := map[string]any{"protocol": 1, "program": "puppet", "features": features}
	p.json(tHello, h)
}

func (p *puppet) json(t byte, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		p.t.Fatal(err)
	}
	p.say(wireFrame{t, b}.bytes())
}

// say writes b. It ignores errors, which show at the other end.
func (p *puppet) say(b []byte) { _, _ = p.c.Write(b) }

// wait waits for a frame of type t.
func (p *puppet) wait(t byte) wireFrame {
	for f := range p.heard {
		if f.t == t {
			return f
		}
	}
	return wireFrame{}
}

// live sends alive frames, and nothing else, until the stream ends. They claim ever more
// received bytes.
func (p *puppet) live(phase string) {
	for i := 1; ; i++ {
		if _, err := p.c.Write(wireFrame{tAlive, fmt.Appendf(nil, `{"phase":%q,"received":%d}`, phase, i*1_000_000)}.bytes()); err != nil {
			return
		}
		time.Sleep(2 * time.Second)
	}
}

// drip says b byte by byte, one every 25 s.
func (p *puppet) drip(b []byte) {
	for i := range b {
		if _, err := p.c.Write(b[i : i+1]); err != nil {
			return
		}
		time.Sleep(25 * time.Second)
	}
}

func (p *puppet) credit(n uint32) {
	p.say(wireFrame{tCredit, binary.BigEndian.AppendUint32(nil, n)}.bytes())
}

// take answers an offer of one image with so many layers.
func (p *puppet) take(layers int) {
	p.wait(tOffer)
	p.json(tAnswer, map[string]any{"images": []any{map[string]any{"status": "take", "have": make([]bool, layers)}}})
}

// A sender gives up on a receiver that sends only alive frames.
func TestReceiverHangs(t *testing.T) {
	large, small := newImage("a:1", false, random(1, 60*block)), newImage("a:1", false, random(1, 1000))
	for _, test := range []struct {
		name  string
		image *memImage
		act   func(p *puppet)
		text  string
		after time.Duration
	}{
		{"no answer", small, func(p *puppet) { p.wait(tOffer); p.live("asking") }, "the other side has not answered the offer for 6 min", 6 * time.Minute},
		{"no answer, no phase", small, func(p *puppet) { p.wait(tOffer); p.live("") }, "the other side has not answered the offer for 6 min", 6 * time.Minute},
		{"describing for ever", small, func(p *puppet) { p.wait(tOffer); p.live("describing") }, "the other side has not answered the offer for 6 min", 6 * time.Minute},
		{"dripping answer", small, func(p *puppet) {
			p.wait(tOffer)
			p.drip(wireFrame{tAnswer, bytes.Repeat([]byte(" "), 100_000)}.bytes())
		}, "the other side has not answered the offer for 6 min", 6 * time.Minute},
		{"no credit", large, func(p *puppet) { p.take(1); p.live("moving") }, "the other side has not taken any data for 6 min", 6 * time.Minute},
		{"no credit for the last", small, func(p *puppet) { p.take(1); p.live("moving") }, "the other side has not taken any data for 6 min", 6 * time.Minute},
		{"little credit", large, func(p *puppet) { p.take(1); p.credit(10); p.live("moving") }, "the other side has not taken any data for 6 min", 6 * time.Minute},
		{"reads nothing", large, func(p *puppet) { p.take(1); p.deaf.Store(true); p.credit(100); p.live("moving") }, "the other side has not taken any data for 6 min", 6 * time.Minute},
		{"no result", small, func(p *puppet) { p.take(1); p.credit(100); p.live("loading") }, "the other side has not answered the load of 2 kB for 11 min", 11 * time.Minute},
		{"queued when it should load", small, func(p *puppet) { p.take(1); p.credit(100); p.live("queued") }, "the other side has not answered the load", 11 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream := newPuppet(t, func(p *puppet) {
					p.hello("deciding", "new")
					test.act(p)
				})
				snd, err := wire.NewSender(t.Context(), stream, wire.Hello{}, wire.StreamOptions{Compression: wire.CompressNone})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				_, err = transfer.Copy(t.Context(), newSource(test.image), snd, transfer.Options{})
				wantErr(t, "sender", err, transfer.KindBroken, false, test.text)
				// What is on its way may move for a moment first.
				if took := time.Since(start); took < test.after || took > test.after+time.Minute {
					t.Errorf("ended after %v, not %v", took, test.after)
				}
			})
		})
	}
}

// A receiver that asks a person, or serves another sender first, may take its
// time; one of an older version calls both of it describing.
func TestReceiverDecides(t *testing.T) {
	for name, test := range map[string]struct {
		phase    string
		features []string
	}{"queued": {"queued", nil}, "deciding": {"deciding", []string{"deciding"}}, "an older version": {"describing", nil}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream := newPuppet(t, func(p *puppet) {
					p.hello(test.features...)
					p.wait(tOffer)
					for start := time.Now(); time.Since(start) < 30*time.Hour; time.Sleep(2 * time.Second) {
						p.json(tAlive, map[string]string{"phase": test.phase})
					}
					p.json(tError, map[string]string{"kind": "refused", "message": "after a good night's sleep"})
				})
				snd, err := wire.NewSender(t.Context(), stream, wire.Hello{}, wire.StreamOptions{})
				if err != nil {
					t.Fatal(err)
				}
				_, err = transfer.Copy(t.Context(), newSource(newImage("a:1", false)), snd, transfer.Options{})
				wantErr(t, "sender", err, transfer.KindRefused, true, "after a good night's sleep")
			})
		})
	}
}

// TestPersonDecides has the receiver's user take a long time to decide.
func TestPersonDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		r := transferRun{src: newSource(newImage("a:1", false, random(1, 1000))), dst: newSink(), out: a, in: b, limit: 24 * time.Hour}
		r.recvOpts.Progress = new(transfer.Progress)
		r.recvOpts.Accept = func(context.Context, *transfer.Offer) error {
			time.Sleep(5 * time.Hour)
			return nil
		}
		r.do(t)
		if r.sendErr != nil || r.recvErr != nil {
			t.Errorf("sender: %v, receiver: %v", r.sendErr, r.recvErr)
		}
	})
}

// A receiver gives up on a sender that sends only alive frames.
func TestSenderHangs(t *testing.T) {
	m := newImage("a:1", false, random(1, block))
	head := func(size int64) []byte {
		d := m.Layers[0].Digest.String()
		b := binary.BigEndian.AppendUint64(nil, uint64(size))
		b = append(append(b, byte(len(d))), d...)
		return wireFrame{tBlob, append(b, 0)}.bytes()
	}
	offer := func(p *puppet) {
		p.json(tOffer, transfer.Offer{Images: []transfer.Image{m.Image}})
		p.wait(tAnswer)
	}
	for _, test := range []struct {
		name  string
		act   func(p *puppet)
		text  string
		after time.Duration
	}{
		{"no offer", func(p *puppet) { p.live("describing") }, "the other side has not offered anything for 1m", time.Minute},
		{"a queue of its own", func(p *puppet) { p.live("queued") }, "the other side has not offered anything for 1m", time.Minute},
		{"dripping offer", func(p *puppet) { p.drip(wireFrame{tOffer, make([]byte, 100_000)}.bytes()) }, "the other side has not offered anything for 1m", time.Minute},
		{"no blob", func(p *puppet) { offer(p); p.live("exporting") }, "the other side has not given the next blob for 11 min", 11 * time.Minute},
		{"dripping header", func(p *puppet) { offer(p); p.drip(head(block)) }, "the other side has not given the next blob for 11 min", 11 * time.Minute},
		{"no block", func(p *puppet) { offer(p); p.say(head(block)); p.live("moving") }, "the other side has not given more of blob", 6 * time.Minute},
		{"dripping block", func(p *puppet) {
			offer(p)
			p.say(head(block))
			p.drip(dataBlock(0, block, random(1, block)))
		}, "the other side has not given more of blob", 6 * time.Minute},
		{"reads nothing", func(p *puppet) {
			offer(p)
			p.deaf.Store(true)
			p.say(head(block))
			for range 14 {
				p.say(dataBlock(0, 10, make([]byte, 10)))
			}
			p.live("moving")
		}, "the other side has not given more of blob", 6 * time.Minute},
		{"small blocks", func(p *puppet) {
			offer(p)
			p.say(head(block))
			for range block {
				p.say(dataBlock(0, 1, []byte{1}))
				time.Sleep(25 * time.Second)
			}
		}, "the other side has not given more of blob", 6 * time.Minute},
		{"empty blobs", func(p *puppet) {
			offer(p)
			empty := newImage("a:1", false, nil).Layers[0].Digest.String()
			b := append(append(make([]byte, 8), byte(len(empty))), empty...)
			for range 100_000 {
				p.say(wireFrame{tBlob, append(b, 0)}.bytes())
				p.say(wireFrame{tBlobEnd, nil}.bytes())
				time.Sleep(25 * time.Second)
			}
		}, "the other side has not given the next blob for 11 min", 11 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream := newPuppet(t, func(p *puppet) {
					p.hello()
					test.act(p)
				})
				rcv, err := wire.NewReceiver(t.Context(), stream, wire.Hello{}, wire.StreamOptions{})
				if err != nil {
					t.Fatal(err)
				}
				dst := newSink()
				start := time.Now()
				_, err = transfer.Copy(t.Context(), rcv, dst, transfer.Options{})
				wantErr(t, "receiver", err, transfer.KindBroken, false, test.text)
				wantNothing(t, dst)
				if took := time.Since(start); took < test.after || took > test.after+time.Minute {
					t.Errorf("ended after %v, not %v", took, test.after)
				}
			})
		})
	}
}

// A peer that sends alive frames before its hello, or sends its hello byte by byte, is
// given up.
func TestHelloHangs(t *testing.T) {
	for name, act := range map[string]func(p *puppet){
		"alive":    func(p *puppet) { p.live("connecting") },
		"dripping": func(p *puppet) { p.drip(wireFrame{tHello, make([]byte, 60_000)}.bytes()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream := newPuppet(t, act)
				start := time.Now()
				_, err := wire.NewReceiver(t.Context(), stream, wire.Hello{}, wire.StreamOptions{})
				wantErr(t, "receiver", err, transfer.KindBroken, false, "has not said hello for 1m0s")
				if took := time.Since(start); took > 2*time.Minute {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}
