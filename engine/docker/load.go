package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// cleanupTime limits the cleanup after a failure or an interrupt.
const cleanupTime = 10 * time.Second

// cleanupContext returns a context for cleaning up after ctx is done.
func cleanupContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
}

// A load is one archive that is being loaded into the engine.
type load struct {
	*layout.Writer
	pw     *io.PipeWriter
	cancel context.CancelFunc
	done   chan struct{} // closed when the engine has answered
	err    error         // its answer
}

// startLoad begins a load. The caller must end it with finish or abort. The engine's
// messages are passed to said, on another goroutine.
func (e *Engine) startLoad(ctx context.Context, said func(message)) *load {
	pr, pw := io.Pipe()
	// Its own context: an interrupt ends a load by ending its body, which
	// engines take better than a cut connection.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &load{Writer: layout.NewWriter(pw), pw: pw, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		l.err = e.load(ctx, pr, said)
		// Nothing reads on; a writer must not wait.
		if l.err == nil {
			_ = pr.CloseWithError(errLoadOver)
		} else {
			_ = pr.CloseWithError(l.err)
		}
	}()
	return l
}

var errLoadOver = errors.New("the engine has ended the load")

// load sends an archive and reads the whole answer. Failures come inside it
// under HTTP 200, on a containerd store also as plain text.
func (e *Engine) load(ctx context.Context, r io.Reader, said func(message)) error {
	resp, err := e.api.ImageLoad(ctx, r, client.ImageLoadWithQuiet(false))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var unpack string
	err = readAnswer(resp.Body, func(m message) {
		if strings.HasPrefix(m.Stream, "Error unpacking image") {
			unpack = strings.TrimSpace(m.Stream)
		}
		said(m)
	})
	if err == nil && unpack != "" {
		err = errors.New(unpack)
	}
	return err
}

// answer waits for the engine's answer.
func (l *load) answer(ctx context.Context) error {
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failure returns why a write into the load failed: the engine's answer, if it
// gives one within a moment.
func (l *load) failure(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(ctx, cleanupTime)
	defer cancel()
	if answer := l.answer(ctx); answer != nil && !errors.Is(answer, context.DeadlineExceeded) {
		return answer
	}
	return err
}

// abort ends a load that must not succeed: its archive ends without metadata.
func (l *load) abort(ctx context.Context) {
	_ = l.pw.Close()
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	_ = l.answer(ctx)
	l.cancel()
	<-l.done
}

// image writes a config, a manifest that is composed of m, and the metadata that
// makes an image of them, and ends the archive.
func (l *load) image(config []byte, m *transfer.IndexImage) error {
	if err := l.Blob(m.Config.Digest, m.Config.Size, bytes.NewReader(config)); err != nil {
		return err
	}
	root, err := layout.Root(m, func(d ocispec.Descriptor, r io.Reader) error { return l.Blob(d.Digest, d.Size, r) })
	if err != nil {
		return err
	}
	if err := l.Finish([]layout.Entry{{Root: root, Config: m.Config.Digest, Layers: m.Layers}}); err != nil {
		return err
	}
	return l.pw.Close()
}

// A message is what an engine says while it loads or pushes.
type message struct {
	Stream     string // text for the screen
	ID, Status string // of a layer: the first 12 digits of its DiffID
	// How far the engine is with the layer.
	ProgressDetail struct{ Current, Total int64 }
}

// readAnswer reads the JSON messages with which an engine answers a load or a
// push, to their end, and returns the failure that they report under HTTP 200.
// Each message is passed to said, if that is not nil.
func readAnswer(r io.Reader, said func(message)) error {
	dec := json.NewDecoder(r)
	var first error
	for {
		var msg struct {
			message
			Error       string
			ErrorDetail struct{ Message string }
		}
		if err := dec.Decode(&msg); err == io.EOF {
			return first
		} else if err != nil {
			return errors.Join(first, fmt.Errorf("read the engine's answer: %w", err))
		}
		if msg.ErrorDetail.Message != "" {
			msg.Error = msg.ErrorDetail.Message
		}
		if msg.Error != "" && first == nil {
			first = errors.New(msg.Error)
		}
		if said != nil {
			said(msg.message)
		}
	}
}
