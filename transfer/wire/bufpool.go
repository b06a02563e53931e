package wire

import "sync"

// A bufPool keeps buffers that each hold the longest frame of a data block.
// The one used last comes first, so that a fast consumer touches few.
type bufPool struct {
	mu   sync.Mutex
	free [][]byte
}

func (p *bufPool) get() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free)
	if n == 0 {
		return make([]byte, frameHeader+maxPayload)
	}
	b := p.free[n-1]
	p.free = p.free[:n-1]
	return b
}

func (p *bufPool) put(b []byte) {
	if b == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, b)
}
