package wire

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
)

// cacheBlock encodes n bytes of data as the block at an offset of a blob, and returns what
// a receiver makes of it.
func cacheBlock(t *testing.T, c *BlockCache, at int64, data []byte, l level) []byte {
	t.Helper()
	c.encoder()
	frame := append(make([]byte, blockHead), data...)
	got, err := c.encode(blockKey{"sha256:blob", at, len(data)}, frame, l, make([]byte, frameHeader+maxPayload))
	if err != nil {
		t.Fatal(err)
	}
	dec, err := newDecoder(1)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.close()
	raw, err := dec.decode(got[frameHeader:], make([]byte, MaxBlock))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestBlockCache compresses blocks of which the second one has other bytes in the place of
// the first: those that come back show whose they are.
func TestBlockCache(t *testing.T) {
	first, second := benchText(MaxBlock), bytes.Repeat([]byte("x"), MaxBlock)
	for _, test := range []struct {
		at            int64
		before, after level
		taken         bool
	}{
		{0, levelS2, levelS2, true},
		{0, levelZstdDefault, levelS2, true},
		{0, levelS2, levelZstdDefault, false},
		{MaxBlock, levelS2, levelS2, false},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			c := new(BlockCache)
			if got := cacheBlock(t, c, 0, first, test.before); !bytes.Equal(got, first) {
				t.Error("the first block is another one")
			}
			want := second
			if test.taken {
				want = first
			}
			if got := cacheBlock(t, c, test.at, second, test.after); !bytes.Equal(got, want) {
				t.Error("the second block is not what it should be")
			}
		})
	}
}

// TestBlockCacheNoise has a block that does not get smaller: it goes as it is, for all.
func TestBlockCacheNoise(t *testing.T) {
	c := new(BlockCache)
	noise := benchNoise(MaxBlock)
	for range 2 {
		if got := cacheBlock(t, c, 0, noise, levelS2); !bytes.Equal(got, noise) {
			t.Error("the block is another one")
		}
	}
	if n := Compressed(c); n != 1 || c.size != 0 {
		t.Errorf("compressed %d times, %d bytes are kept", n, c.size)
	}
}

// TestBlockCacheOnce has several senders come to the same block at the same time.
func TestBlockCacheOnce(t *testing.T) {
	c := new(BlockCache)
	data := benchText(MaxBlock)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := cacheBlock(t, c, 0, data, levelZstdBetter); !bytes.Equal(got, data) {
				t.Error("the block is another one")
			}
		})
	}
	wg.Wait()
	if n := Compressed(c); n != 1 {
		t.Errorf("compressed %d times", n)
	}
}

// TestBlockCacheBound keeps no more than there is room for.
func TestBlockCacheBound(t *testing.T) {
	c := new(BlockCache)
	text, small := benchText(MaxBlock), []byte("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	for i := range int64(100) {
		cacheBlock(t, c, i*MaxBlock, text, levelS2)
		if c.size > maxCachedBytes || c.size < min(int(i), 4)*MaxBlock/8 {
			t.Fatalf("%d bytes are kept after %d blocks", c.size, i)
		}
	}
	for i := range int64(1000) {
		cacheBlock(t, c, i, small, levelS2)
	}
	size := 0
	for _, b := range c.blocks {
		size += len(b.frame)
	}
	if len(c.blocks) != maxCachedBlocks || len(c.order) != maxCachedBlocks || size != c.size {
		t.Errorf("%d and %d blocks of %d bytes are kept, counted as %d", len(c.blocks), len(c.order), size, c.size)
	}
}
