package throwaway

import (
	"encoding/binary"
	"sync"
)

// content is an endless deterministic stream of bytes. How it is cut into
// fills does not matter.
type content struct {
	next  func(block []byte) // makes the next block
	block [64 << 10]byte
	rest  []byte // of block, not yet handed out
}

func (l Layer) content() *content {
	r := rng(l.Seed*0x9e3779b97f4a7c15 + uint64(l.Kind)) // neighbouring seeds far apart
	r = rng(r.next())
	c := &content{next: r.random}
	if l.Kind == Text {
		c.next = (&text{rng: r}).fill
	}
	return c
}

func (c *content) fill(p []byte) {
	for len(p) > 0 {
		if len(c.rest) == 0 {
			c.next(c.block[:])
			c.rest = c.block[:]
		}
		n := copy(p, c.rest)
		p, c.rest = p[n:], c.rest[n:]
	}
}

// rng is SplitMix64: fast, and the same on every machine for ever.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (r *rng) random(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, r.next())
	}
}

// text makes words, the frequent ones often as in a language, with some bytes
// between them that do not compress, as in a program.
type text struct {
	rng    rng
	excess int // bytes of the last word beyond the block before
	last   [wordSlot]byte
}

const (
	wordSlot   = 16   // room for a word; all of it is copied, which is faster
	wordCount  = 1024 // different words
	noiseEvery = 16   // one word of so many is noise
)

// words is the vocabulary, and draw the word for each 16 bits drawn.
var words, draw = sync.OnceValues(makeWords)()

type word struct {
	text [wordSlot]byte
	size int
}

func makeWords() (*[wordCount]word, *[1 << 16]uint16) {
	const letters = "eeeeettttaaaoooiiinnnssshhrrddllucmfywgpbvk_/.-0123456789=(){}\"'"
	r := rng(1)
	var ws [wordCount]word
	for i := range ws {
		w := &ws[i]
		w.size = 3 + int(r.next()%10)
		for j := range w.size - 1 {
			w.text[j] = letters[r.next()%uint64(len(letters))]
		}
		w.text[w.size-1] = " \n"[min(r.next()%8/7, 1)]
	}
	// Word i is drawn about 1/(i+8) as often: Zipf, with a flat head. Whole
	// numbers only, for the same result everywhere.
	var weights [wordCount]uint64
	var total uint64
	for i := range weights {
		weights[i] = 1 << 32 / uint64(i+8)
		total += weights[i]
	}
	var table [1 << 16]uint16
	var reached, at uint64
	w := 0
	for i := range table {
		at = total / (1 << 16) * uint64(i)
		for w < wordCount-1 && reached+weights[w] <= at {
			reached += weights[w]
			w++
		}
		table[i] = uint16(w)
	}
	return &ws, &table
}

func (t *text) fill(b []byte) {
	n := copy(b, t.last[:t.excess])
	t.excess = 0
	for n < len(b) {
		r := t.rng.next()
		for range 3 { // three words from each number drawn
			var slot [wordSlot]byte
			w := &words[draw[r&0xffff]]
			slot, size := w.text, w.size
			if r>>48&(noiseEvery-1) == 0 {
				binary.LittleEndian.PutUint64(slot[:], t.rng.next())
				size = 8
			}
			if len(b)-n >= wordSlot {
				*(*[wordSlot]byte)(b[n:]) = slot
				n += size
			} else {
				m := copy(b[n:], slot[:size])
				n += m
				t.excess += copy(t.last[t.excess:], slot[m:size])
			}
			r = r>>16 | r<<48
		}
	}
}
