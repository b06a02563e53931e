package wire

import (
	"sync"

	"github.com/opencontainers/go-digest"
)

// Limits of a [BlockCache]. The senders that a hub feeds are at most a few blocks apart.
const (
	maxCachedBytes  = 8 << 20 // of compressed frames
	maxCachedBlocks = 256     // incompressible blocks occupy no bytes
)

// A BlockCache lets several [Sender]s of the same blobs compress each block once. The
// first Sender that reaches a block compresses it. Other Senders use the result if they
// want the same or a lower level. The zero value is ready to use. It is safe for
// concurrent use.
type BlockCache struct {
	once sync.Once
	enc  *encoder

	mu     sync.Mutex
	blocks map[cacheKey]*cachedBlock
	order  []cacheKey // of the finished blocks, oldest first
	size   int        // bytes of all cached frames
}

// A blockKey identifies a block: n bytes of a blob from offset at.
type blockKey struct {
	blob digest.Digest
	at   int64
	n    int
}

type cacheKey struct {
	blockKey
	level level
}

// A cachedBlock is the compressed form of a block. A Sender may still be compressing it.
type cachedBlock struct {
	done  chan struct{} // closed once frame is final
	frame []byte        // nil: the block is incompressible, or compressing failed
}

// encoder returns the encoder that all Senders share.
func (c *BlockCache) encoder() *encoder {
	c.once.Do(func() { c.enc, c.blocks = newEncoder(workers()), map[cacheKey]*cachedBlock{} })
	return c.enc
}

// encode is like [encoder.encode], and reuses the result of another Sender if there is one.
func (c *BlockCache) encode(at blockKey, frame []byte, l level, out []byte) ([]byte, error) {
	key := cacheKey{at, l}
	b, mine := c.find(key)
	if mine {
		f, err := c.enc.encode(frame, at.n, l, out)
		if err == nil && &f[0] == &out[0] {
			b.frame = append([]byte(nil), f...)
		}
		close(b.done)
		c.keep(key, len(b.frame), err == nil)
		return f, err
	}
	<-b.done
	if b.frame == nil {
		return c.enc.encode(frame, at.n, levelNone, nil)
	}
	return append(out[:0], b.frame...), nil
}

// find returns the cached block for key, or a finished one of a higher level. If there is
// none, find adds an entry and returns it with mine set: the caller must compress the
// block, close done and call keep.
func (c *BlockCache) find(key cacheKey) (b *cachedBlock, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.blocks[key]; ok {
		return b, false
	}
	for harder := key; harder.level < levels-1; {
		harder.level++
		if b, ok := c.blocks[harder]; ok {
			select {
			case <-b.done:
				return b, false
			default:
			}
		}
	}
	b = &cachedBlock{done: make(chan struct{})}
	c.blocks[key] = b
	return b, true
}

// keep counts a compressed block of n bytes and evicts the oldest blocks over the limits.
// If use is false, because compressing failed, it removes the block.
func (c *BlockCache) keep(key cacheKey, n int, use bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !use {
		delete(c.blocks, key)
		return
	}
	c.size += n
	c.order = append(c.order, key)
	for c.size > maxCachedBytes || len(c.order) > maxCachedBlocks {
		oldest := c.order[0]
		c.order = c.order[1:]
		c.size -= len(c.blocks[oldest].frame)
		delete(c.blocks, oldest)
	}
}
