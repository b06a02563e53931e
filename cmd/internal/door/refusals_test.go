package door

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// TestRefusals checks that the first refused host is reported at once, and a flood of them
// every ten seconds.
func TestRefusals(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stderr := os.Stderr
	os.Stderr = file
	v := cli.NewVoice("imgrecv")
	home := t.TempDir()
	os.Stderr = stderr
	synctest.Test(t, func(*testing.T) {
		r := &refusals{d: &Door{Config: Config{Voice: v, Way: Send, Book: peer.OpenBook(home)}}}
		from := ma.StringCast("/ip4/192.0.2.7/tcp/99")
		for range 100 {
			r.note("peer", from)
			time.Sleep(time.Second / 5)
		}
	})
	said, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(said), "\n"); lines != 2 || !strings.Contains(string(said), "from 192.0.2.7:99: it is not saved") ||
		!strings.Contains(string(said), ", and 49 others before it: ") {
		t.Errorf("%d lines:\n%s", lines, said)
	}
}
