package transfer_test

import (
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
)

// TestOfferedSizes checks what an offer may claim.
func TestOfferedSizes(t *testing.T) {
	for name, lie := range map[string]func(m *transfer.Image){
		"layer":       func(m *transfer.Image) { m.Layers[0].Size = 1<<56 + 1 },
		"layers":      func(m *transfer.Image) { m.Layers[0].Size, m.Layers[1].Size = 1<<56, 1 },
		"negative":    func(m *transfer.Image) { m.Layers[0].Size = -1 },
		"extra":       func(m *transfer.Image) { m.Extra = 1<<56 + 1 },
		"less extra":  func(m *transfer.Image) { m.Extra = -1 },
		"with extra":  func(m *transfer.Image) { m.Extra, m.Layers[0].Size = 1<<55, 1<<55 },
		"beyond 2^63": func(m *transfer.Image) { m.Extra, m.Layers[0].Size = 1<<62, 1<<62 },
	} {
		m := transfertest.NewImage("a:1", false, []byte("one"), []byte("two"))
		o := transfer.Offer{Images: []transfer.Image{m.Image}}
		if err := o.Validate(); err != nil {
			t.Fatal(err)
		}
		lie(&o.Images[0])
		if err := o.Validate(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
