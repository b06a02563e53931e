package store_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"unicode/utf16"

	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// TestHaveListEncodings reads a list as a Windows shell's > writes it.
func TestHaveListEncodings(t *testing.T) {
	list := store.NewHaveList("büro", "Docker 28.5.2, classic store", store.ByChain, []digest.Digest{digest.FromString("a")})
	var utf8 bytes.Buffer
	if err := list.Write(&utf8); err != nil {
		t.Fatal(err)
	}
	units := utf16.Encode([]rune("\ufeff" + utf8.String()))
	little, err := binary.Append(nil, binary.LittleEndian, units)
	if err != nil {
		t.Fatal(err)
	}
	big, err := binary.Append(nil, binary.BigEndian, units)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"UTF-8": utf8.Bytes(), "UTF-8 with a mark": append([]byte("\ufeff"), utf8.Bytes()...), "UTF-16, little": little, "UTF-16, big": big} {
		got, err := store.ReadHaveList(bytes.NewReader(b))
		if err != nil || got.Host != list.Host || !slices.Equal(got.Layers, list.Layers) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestCheckLimits(t *testing.T) {
	refs := make([]string, transfer.MaxRefs+1)
	for i := range refs {
		refs[i] = fmt.Sprint("a:", i)
	}
	for name, images := range map[string][]transfer.Image{
		"images": make([]transfer.Image, transfer.MaxImages+1),
		"names":  {{Refs: refs}},
		"layers": {{Refs: refs[:1], Layers: make([]transfer.Layer, transfer.MaxLayers+1)}},
	} {
		if err := store.CheckLimits(images); transfer.KindOf(err) != transfer.KindUsage {
			t.Errorf("too many %s: %v", name, err)
		}
	}
	most := make([]transfer.Image, transfer.MaxImages)
	most[0] = transfer.Image{Refs: refs[1:], Layers: make([]transfer.Layer, transfer.MaxLayers)}
	if err := store.CheckLimits(most); err != nil {
		t.Error(err)
	}
}
