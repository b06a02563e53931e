package wire

import "testing"

// TestHistoryIsBounded has the other side confirm nothing.
func TestHistoryIsBounded(t *testing.T) {
	h := &history{free: new(bufPool), more: make(chan struct{}, 1)}
	n := 0
	for ; n < 2*maxKept && h.add(bareFrame(frameCredit), nil) == nil; n++ {
		h.wrote()
	}
	if n != maxKept {
		t.Errorf("%d frames are kept, not %d", n, maxKept)
	}
	if err := h.ack(maxKept); err != nil {
		t.Fatal(err)
	}
	if err := h.add(bareFrame(frameCredit), nil); err != nil {
		t.Errorf("after all were confirmed: %v", err)
	}
	if err := h.ack(maxKept + 2); err == nil {
		t.Error("what was not sent is confirmed")
	}
}
