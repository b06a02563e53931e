package wire

import "sync"

// A bufPool keeps free buffers. Each is large enough for the longest data block
// frame. get returns the most recently used buffer first, so that a fast consumer
// uses few of them.
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
