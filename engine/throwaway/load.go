package throwaway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// Load makes the images and loads them into an engine, layers uncompressed
// (see [WriteDockerArchive]). It fails unless the engine reports success to
// the end. Into a [Native] engine it imports them in the namespace "default".
func Load(ctx context.Context, e *Engine, imgs ...Image) error {
	return load(ctx, e, WriteDockerArchive, imgs)
}

// LoadPulled is as Load, with layers compressed as they are after a pull (see
// [WriteOCIArchive]). That makes a difference only in a containerd store, which
// keeps blobs as they come.
func LoadPulled(ctx context.Context, e *Engine, imgs ...Image) error {
	return load(ctx, e, WriteOCIArchive, imgs)
}

func load(ctx context.Context, e *Engine, write func(io.Writer, ...Image) error, imgs []Image) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("load into %s: %w", e.Spec().Name, err)
		}
	}()
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(w, imgs...)
		w.CloseWithError(err)
		written <- err
	}()
	if e.Spec().Kind == Native {
		err = ctrImport(ctx, e, r)
	} else {
		err = imageLoad(ctx, e, r)
	}
	// An engine may end its answer before it has read the last bytes.
	r.Close()
	if werr := <-written; werr != nil && !errors.Is(werr, io.ErrClosedPipe) {
		err = errors.Join(err, werr)
	}
	return err
}

// imageLoad loads an archive with Docker's API.
func imageLoad(ctx context.Context, e *Engine, archive io.Reader) error {
	c, err := e.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	resp, err := c.ImageLoad(ctx, archive)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return ReadAnswer(resp.Body)
}

// ctrImport imports an archive, and unpacks it, into containerd's namespace
// "default".
func ctrImport(ctx context.Context, e *Engine, archive io.Reader) error {
	argv := e.Ctr("images", "import", "-")
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = archive
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ctr images import: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// ReadAnswer reads what an engine with a Docker API says about a load, a push or a
// pull, to the end. Failures come inside of it, the containerd store's also as plain
// text.
func ReadAnswer(r io.Reader) error {
	for d := json.NewDecoder(r); ; {
		var m struct {
			Stream string `json:"stream"`
			Error  string `json:"error"`
		}
		if err := d.Decode(&m); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the engine's answer: %w", err)
		}
		if m.Error != "" {
			return errors.New(m.Error)
		}
		if strings.Contains(m.Stream, "Error unpacking image") {
			return errors.New(strings.TrimSpace(m.Stream))
		}
	}
}
