package cli_test

import (
	"runtime/debug"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
)

// GOMEMLIMIT, which the runtime has read, is the user's word.
func TestMemoryLimit(t *testing.T) {
	const query, users = -1, 1 << 30
	before := debug.SetMemoryLimit(users)
	defer debug.SetMemoryLimit(before)
	t.Setenv("GOMEMLIMIT", "1GiB")
	cli.LimitMemory()
	if got := debug.SetMemoryLimit(query); got != users {
		t.Errorf("the limit is %d, not the user's", got)
	}
	t.Setenv("GOMEMLIMIT", "")
	cli.LimitMemory()
	if got := debug.SetMemoryLimit(query); got == users {
		t.Error("there is no limit of ours")
	}
}
