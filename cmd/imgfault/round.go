package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// A round is what a plan came to.
type round struct {
	plan
	first, next *result
	kept        int   // layers at the receiver after the fault
	missing     int64 // bytes of the others
	found       []string
}

// play runs one round. The error is of imgfault or an engine; what the programs did
// wrong is in found.
func (t *trial) play(ctx context.Context, p plan) (*round, error) {
	r := &round{plan: p}
	from, err := t.engine(ctx, sendingHost, p.from)
	if err != nil {
		return r, err
	}
	to, err := t.engine(ctx, receivingHost, p.to)
	if err != nil {
		return r, err
	}
	if err := throwaway.Load(ctx, from, p.image); err != nil {
		return r, err
	}
	if p.container {
		if err := startContainer(ctx, from, p); err != nil {
			return r, err
		}
	}
	if r.first, err = t.transferOnce(ctx, p, from, to, p.fault); err != nil {
		return r, err
	}
	if err := t.checkAfterFault(ctx, r, from, to); err != nil {
		return r, err
	}
	if r.next, err = t.transferOnce(ctx, p, from, to, nil); err != nil {
		return r, err
	}
	if err := t.checkAfterNext(ctx, r, from, to); err != nil {
		return r, err
	}
	if p.container {
		if err := removeContainer(ctx, from, p); err != nil {
			return r, err
		}
	}
	for _, e := range []*throwaway.Engine{from, to} {
		if err := lab.Remove(ctx, e, p.image.Ref); err != nil {
			return r, err
		}
	}
	return r, nil
}

// foundf notes a violation.
func (r *round) foundf(format string, args ...any) {
	r.found = append(r.found, fmt.Sprintf(format, args...))
}

// wireLimit is how many bytes may cross the link to bring a number of bytes that do
// not compress: with headers and acknowledgements, and what the programs say besides.
func wireLimit(bytes int64) int64 { return bytes + bytes*8/100 + 300_000 }

// inFlight is how much a transfer may send twice when its line breaks: the frames that
// the receiver has not confirmed.
const inFlight = 34 << 20

// checkAfterFault examines both hosts after the transfer with the fault.
func (t *trial) checkAfterFault(ctx context.Context, r *round, from, to *throwaway.Engine) error {
	if !r.fault.allows(r.first.outcome) {
		r.foundf("imgsend ended with %s and imgrecv with %s, which %s does not allow", r.first.send, r.first.recv, r.fault.name)
	}
	there, err := t.checkHost(ctx, r, receivingHost, to, r.fault.leaves)
	if err != nil {
		return err
	}
	if _, err := t.checkHost(ctx, r, sendingHost, from, r.fault.leaves); err != nil {
		return err
	}
	named := slices.Contains(there.names, r.image.Ref)
	switch recv, send := r.first.recv, r.first.send; {
	case (recv == "0" || send == "0") && !named:
		r.foundf("imgsend ended with %s and imgrecv with %s, and the image has no name", send, recv)
	case recv != "0" && recv != killed && !r.fault.leaves && named:
		r.foundf("imgrecv ended with %s, and the image has a name", recv)
	}
	if named {
		t.checkImage(ctx, r, to)
	}
	if r.container && named {
		// The next commit is another image, which would leave this one without a name.
		if err := lab.Remove(ctx, to, r.image.Ref); err != nil {
			return err
		}
		if there, err = examine(ctx, to); err != nil {
			return err
		}
	}
	r.kept = there.present(r.image.DiffIDs())
	for _, l := range r.image.Layers[r.kept:] {
		r.missing += l.TarSize()
	}
	if r.container {
		r.missing += ownSize // another commit may be another layer
	}
	if limit := wireLimit(r.image.Size()) + inFlight; r.first.wire > limit {
		r.foundf("%s crossed the link for an image of %s", cli.Bytes(r.first.wire), cli.Bytes(r.image.Size()))
	}
	return nil
}

// checkAfterNext examines both hosts after the next try.
func (t *trial) checkAfterNext(ctx context.Context, r *round, from, to *throwaway.Engine) error {
	if r.next.outcome != success {
		r.foundf("the next try: imgsend ended with %s and imgrecv with %s", r.next.send, r.next.recv)
	}
	if limit := wireLimit(r.missing); r.next.wire > limit {
		r.foundf("the next try sent %s where %s were missing", cli.Bytes(r.next.wire), cli.Bytes(r.missing))
	}
	there, err := t.checkHost(ctx, r, receivingHost, to, false)
	if err != nil {
		return err
	}
	here, err := t.checkHost(ctx, r, sendingHost, from, false)
	if err != nil {
		return err
	}
	if len(here.unnamed) > 0 {
		r.foundf("after the next try the sending engine has images without a name: %q", here.unnamed)
	}
	if r.next.outcome != success {
		return nil
	}
	if !slices.Equal(there.names, []string{r.image.Ref}) {
		r.foundf("after the next try the receiving engine has the names %q", there.names)
	}
	if len(there.unnamed) > 0 {
		r.foundf("after the next try the receiving engine has images without a name: %q", there.unnamed)
	}
	t.checkImage(ctx, r, to)
	return nil
}

// checkHost notes what must never be left at a host: a temporary name, unless it is
// allowed, a paused container, a process.
func (t *trial) checkHost(ctx context.Context, r *round, h host, e *throwaway.Engine, temporary bool) (*state, error) {
	s, err := examine(ctx, e)
	if err != nil {
		return nil, err
	}
	for _, name := range s.names {
		if name != r.image.Ref && !temporary {
			r.foundf("the %s engine has the name %s", h, name)
		}
	}
	if h == sendingHost && !slices.Contains(s.names, r.image.Ref) {
		r.foundf("the sending engine has lost %s", r.image.Ref)
	}
	switch {
	case len(s.paused) == 0:
	case e.Spec().Kind == throwaway.Podman && r.fault.leaves && temporary:
		// Podman commits in two steps, and nobody was left to take the second one.
		if err := unpause(ctx, e, s.paused); err != nil {
			return nil, err
		}
	default:
		r.foundf("the %s engine has paused containers: %q", h, s.paused)
	}
	if left := leftProcesses(ctx, t.site.Folder); len(left) > 0 {
		r.foundf("processes are left: %s", strings.Join(left, "; "))
	}
	return s, nil
}

// checkImage notes it if an image with a name is not what was sent.
func (t *trial) checkImage(ctx context.Context, r *round, e *throwaway.Engine) {
	var err error
	if r.container {
		err = checkCommitted(ctx, e, r.plan)
	} else if err = lab.Verify(ctx, e, r.image); err == nil {
		err = checkExport(ctx, e, r.image.Ref, r.image.DiffIDs())
	}
	if err != nil {
		r.foundf("%v", err)
	}
}
