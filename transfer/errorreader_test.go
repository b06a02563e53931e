package transfer_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/imgsend/imgsend/transfer"
)

func TestErrorReader(t *testing.T) {
	if err := iotest.TestReader(&transfer.ErrorReader{R: strings.NewReader("a layer")}, []byte("a layer")); err != nil {
		t.Error(err)
	}
	sound := &transfer.ErrorReader{R: strings.NewReader("a layer")}
	if _, err := io.ReadAll(sound); err != nil || sound.Err != nil {
		t.Errorf("%v, kept %v", err, sound.Err)
	}
	torn := errors.New("torn")
	broken := &transfer.ErrorReader{R: io.MultiReader(strings.NewReader("a la"), iotest.ErrReader(torn))}
	if got, err := io.ReadAll(broken); string(got) != "a la" || err != torn || broken.Err != torn {
		t.Errorf("%q, %v, kept %v", got, err, broken.Err)
	}
}
