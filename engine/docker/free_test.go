package docker_test

import (
	"testing"

	"github.com/imgsend/imgsend/engine/throwaway"
)

// TestFree asks every engine for the room that it has, by its socket.
func TestFree(t *testing.T) {
	eachStore(t, func(t *testing.T, _, spec throwaway.Spec) {
		spec.Data = throwaway.OnDisk // where this host sees it
		e := start(t, spec)
		defer e.Stop()
		bytes, known := open(t, e).Free(t.Context())
		if !known || bytes <= 0 {
			t.Errorf("%d bytes, known: %v", bytes, known)
		}
	})
}

// TestFreeElsewhere asks an engine that is not on this host.
func TestFreeElsewhere(t *testing.T) {
	if bytes, known := newFake().open(t).Free(t.Context()); known || bytes != 0 {
		t.Errorf("%d bytes, known: %v", bytes, known)
	}
}
