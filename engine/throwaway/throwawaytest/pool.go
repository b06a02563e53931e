package throwawaytest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/imgsend/imgsend/engine/throwaway"
)

// A Pool keeps engines running from one test to the next. A test makes images of its
// own, so that it does not matter what else an engine has.
type Pool struct {
	mu      sync.Mutex
	engines map[string]*throwaway.Engine
}

// Get returns the engine of a spec for one of several roles, which do not share one.
// If the test fails, it logs the end of the engine's log.
func (p *Pool) Get(t testing.TB, s throwaway.Spec, role string) *throwaway.Engine {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	key := s.Name + " " + role
	e := p.engines[key]
	if e == nil {
		var err error
		if e, err = throwaway.Start(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if p.engines == nil {
			p.engines = map[string]*throwaway.Engine{}
		}
		p.engines[key] = e
	}
	t.Cleanup(func() {
		if t.Failed() {
			log := e.Log()
			t.Logf("log of %s:\n%s", key, log[max(0, len(log)-4000):])
		}
	})
	return e
}

// Stop stops the engines. TestMain calls it at the end.
func (p *Pool) Stop() {
	for _, e := range p.engines {
		if err := e.Stop(); err != nil {
			fmt.Println(err)
		}
	}
}
