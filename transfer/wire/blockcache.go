package wire

import (
	"sync"

	"github.com/opencontainers/go-digest"
)

// What a [BlockCache] keeps. Senders that a hub feeds are a few blocks apart at most.
const (
	maxCachedBytes  = 8 << 20 // compressed
	maxCachedBlocks = 256     // those that do not get smaller have no bytes
)

// A BlockCache lets [Sender]s of the same blobs compress each block once: the first one
// that comes to a block compresses it, those that want it as hard as that, or less, take
// the result. The zero value is ready to use.
type BlockCache struct {
	once sync.Once
	enc  *encoder

	mu     sync.Mutex
	blocks map[cacheKey]*cachedBlock
	order  []cacheKey // the oldest first
	size   int        // of all frames
}

// A blockKey says which part of which blob a block is.
type blockKey struct {
	blob digest.Digest
	at   int64
	n    int
}

type cacheKey struct {
	blockKey
	level level
}

// A cachedBlock is a block that is compressed, or about to be.
type cachedBlock struct {
	done  chan struct{} // closed when frame is set
	frame []byte        // nil: the block does not get smaller
}

// encoder returns the one that all senders share.
func (c *BlockCache) encoder() *encoder {
	c.once.Do(func() { c.enc, c.blocks = newEncoder(workers()), map[cacheKey]*cachedBlock{} })
	return c.enc
}

// encode is [encoder.encode] for a block that another sender may have compressed.
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

// find returns the block as it is compressed at the level of its key, or harder if that is
// done. If nobody has begun to, that is for the caller.
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

// keep keeps a block of so many bytes, unless it is of no use, and drops the oldest ones
// that are too much.
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
