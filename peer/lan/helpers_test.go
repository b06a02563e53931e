package lan_test

import (
	"testing"

	"github.com/imgsend/imgsend/peer/internal/peertest"
)

func TestMain(m *testing.M) { peertest.TestMain(m) }
