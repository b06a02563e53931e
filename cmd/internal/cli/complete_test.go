package cli_test

import (
	"context"
	"testing"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
)

// Nobody waits long for candidates, whatever they wait for themselves.
func TestCompletionIsQuick(t *testing.T) {
	var called []string
	p, _ := testProgram(&called)
	never := make(chan struct{})
	defer close(never)
	asked := make(chan bool, 1)
	p.Complete(cli.Completions{Args: func(context.Context) []string {
		asked <- true
		<-never
		return nil
	}})
	start := time.Now()
	if err := p.Execute(t.Context(), []string{"__complete", "web"}); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 10*time.Second { // 1.5 s, on a machine with nothing else to do
		t.Errorf("the user waits %v", took)
	}
	if len(asked) != 1 || called != nil {
		t.Errorf("asked %d times, called %q", len(asked), called)
	}
}
