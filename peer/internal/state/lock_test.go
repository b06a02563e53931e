package state_test

import (
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/imgsend/imgsend/peer/internal/state"
)

func TestLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var held atomic.Bool
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				unlock, err := state.Lock(path)
				if err != nil {
					t.Error(err)
					return
				}
				if !held.CompareAndSwap(false, true) {
					t.Error("locked twice")
				}
				runtime.Gosched()
				held.Store(false)
				unlock()
			}
		})
	}
	all.Wait()
}
