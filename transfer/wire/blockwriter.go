package wire

import (
	"context"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
)

// A blockWriter sends frames in order. It sends control frames unchanged, and
// data as blocks that a few workers compress concurrently. Its fixed number of
// blocks bounds its memory.
type blockWriter struct {
	c      *conn
	tune   *tuner
	enc    *encoder
	cache  *BlockCache // shared with other Senders; nil: no cache
	credit *purse
	free   chan *block
	queue  chan *block   // in stream order
	work   chan *block   // blocks to compress
	ended  chan struct{} // closed when the writing goroutine has ended
	halt   chan struct{} // closed by stop: queued blocks are dropped
}

// A block is one frame that is being compressed or sent. Its buffers belong to the conn's
// pool. Each holds a frame header, a block header and the data of a block.
type block struct {
	data  []byte
	n     int // raw bytes; 0: a control frame
	at    blockKey
	tuned bool // the tuner picked the level
	level level
	ready chan struct{} // receives a value when frame is complete
	frame []byte
	buf   []byte // the buffer that holds frame; nil for a control frame
	err   error
}

func newBlockWriter(c *conn, t *tuner, shared *BlockCache) *blockWriter {
	n := workers()
	depth := 2*n + 2
	w := &blockWriter{c: c, tune: t, cache: shared, credit: newPurse(),
		free: make(chan *block, depth), queue: make(chan *block, depth), work: make(chan *block, depth),
		ended: make(chan struct{}), halt: make(chan struct{})}
	if shared != nil {
		w.enc = shared.encoder()
	} else {
		w.enc = newEncoder(n)
	}
	for range depth {
		w.free <- &block{ready: make(chan struct{}, 1)}
	}
	c.wg.Add(n + 1)
	for range n {
		go w.compress()
	}
	go w.send()
	return w
}

func (w *blockWriter) compress() {
	defer w.c.wg.Done()
	for b := range w.work {
		w.encode(b, w.c.bufs.get())
	}
}

// encode makes the frame of a block. It uses out's memory if the compressed data is
// smaller, else the block's own.
func (w *blockWriter) encode(b *block, out []byte) {
	if w.cache != nil && b.level != levelNone {
		b.frame, b.err = w.cache.encode(b.at, b.data, b.level, out)
	} else {
		b.frame, b.err = w.enc.encode(b.data, b.n, b.level, out)
	}
	b.buf = b.data
	if b.err == nil && out != nil && &b.frame[0] == &out[0] {
		b.buf, out = out, b.data
	}
	w.c.bufs.put(out)
	b.data = nil
	b.ready <- struct{}{}
}

func (w *blockWriter) send() {
	defer w.c.wg.Done()
	defer close(w.ended)
	last := time.Now()
	for b := range w.queue {
		<-b.ready
		ready := time.Now()
		line := w.c.current()
		paid, ok := w.pay()
		if ok && b.err == nil {
			b.err = w.sendBlock(b)
		} else {
			w.c.bufs.put(b.buf)
			w.unsent(-int64(b.n))
		}
		if b.err != nil {
			w.c.fail(b.err)
		}
		end := time.Now()
		if b.n > 0 && line == w.c.current() { // a break says nothing about the line's speed
			w.tune.wrote(sample{level: b.level, tuned: b.tuned, raw: b.n,
				starved: ready.Sub(last), blocked: paid.Sub(ready), writing: end.Sub(paid)})
		}
		last = end
		b.frame, b.buf, b.err = nil, nil, nil
		w.free <- b
	}
}

// sendBlock writes a frame. It counts the raw bytes of the block as sent piece by piece,
// in proportion to the bytes of the frame that are written.
func (w *blockWriter) sendBlock(b *block) error {
	size, left := int64(len(b.frame)), int64(b.n)
	err := w.c.send(context.Background(), b.frame, b.buf, func(n int) {
		part := min(left, int64(b.n)*int64(n)/size)
		left -= part
		w.unsent(-part)
	})
	w.unsent(-left)
	return err
}

// unsent adds n to the count of raw bytes that are queued and not yet written.
func (w *blockWriter) unsent(n int64) {
	if w.c.progress != nil {
		w.c.progress.Unsent.Add(n)
	}
}

// pay waits for a credit, and for room in the history, and returns the time at which it
// had both. It reports false when the writer has stopped or the stream has failed.
func (w *blockWriter) pay() (time.Time, bool) {
	for {
		select {
		case <-w.halt:
			return time.Now(), false
		case <-w.c.failed:
			return time.Now(), false
		default:
		}
		if w.c.resume.sent.hasRoom() && w.credit.take() {
			return time.Now(), true
		}
		select {
		case <-w.credit.more:
		case <-w.c.resume.sent.more:
		case <-w.halt:
		case <-w.c.failed:
		}
	}
}

// take waits for a free block and returns it.
func (w *blockWriter) take(ctx context.Context) (*block, error) {
	select {
	case b := <-w.free:
		select {
		case <-w.c.failed:
			w.free <- b
			return nil, w.c.err
		default:
			return b, nil
		}
	case <-w.c.failed:
		return nil, w.c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// control queues a complete frame.
func (w *blockWriter) control(ctx context.Context, frame []byte) error {
	b, err := w.take(ctx)
	if err != nil {
		return err
	}
	b.n, b.frame = 0, frame
	b.ready <- struct{}{}
	w.queue <- b
	return nil
}

// copy reads a blob from r, queues it as data blocks, and returns the number of bytes
// read. If compressed is set, the blocks are sent uncompressed.
func (w *blockWriter) copy(ctx context.Context, blob digest.Digest, r io.Reader, compressed bool) (int64, error) {
	var total int64
	for {
		b, err := w.take(ctx)
		if err != nil {
			return total, err
		}
		if b.data == nil {
			b.data = w.c.bufs.get()[:blockHead+MaxBlock]
		}
		n, err := fill(r, b.data[blockHead:])
		b.at = blockKey{blob, total, n}
		total += int64(n)
		if n == 0 {
			w.free <- b
		} else {
			w.block(b, n, compressed)
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// partialAfter is the age at which a block is sent even if it is not full, so that the
// receiver sees that a slow source makes progress.
const partialAfter = 10 * time.Second

// fill reads into b until it is full, r has ended or failed, or the first byte
// in b is older than partialAfter.
func fill(r io.Reader, b []byte) (n int, err error) {
	var first time.Time
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
		switch now := time.Now(); {
		case n == 0:
		case first.IsZero():
			first = now
		case now.Sub(first) > partialAfter:
			return n, err
		}
	}
	return n, err
}

// flush waits until all queued frames have been written.
func (w *blockWriter) flush(ctx context.Context) error {
	taken := make([]*block, 0, cap(w.free))
	defer func() {
		for _, b := range taken {
			w.free <- b
		}
	}()
	for range cap(w.free) {
		b, err := w.take(ctx)
		if err != nil {
			return err
		}
		taken = append(taken, b)
	}
	return nil
}

// block queues the n bytes of data in b.
func (w *blockWriter) block(b *block, n int, compressed bool) {
	w.unsent(int64(n))
	b.n, b.tuned, b.level = n, !compressed, levelNone
	if b.tuned {
		b.level = w.tune.level()
	}
	w.queue <- b
	if b.level == levelNone {
		w.encode(b, nil)
		return
	}
	w.work <- b
}

// stop ends the goroutines and drops queued frames. The write deadline of the
// stream bounds how long it takes. The caller must not queue anything afterwards.
func (w *blockWriter) stop() {
	close(w.halt)
	w.c.hurry(time.Now().Add(lingerTime))
	close(w.work)
	close(w.queue)
	<-w.ended
}
