package docker

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An engine applies the layers of a load after it has taken all of it. So that it
// applies layers while later ones are on their way, a transfer is several loads
// that are open at once, each an image of the lowest layers of an offered one and
// without a name: a prefix. The offered images are the last loads. A layer goes into
// the first load that needs it, whenever it comes; a load ends when it has its
// layers and the one before it has been answered, whose layers it may leave out.
//
// What was loaded stays when the transfer fails, and is present at the next try; see
// [Engine.Clean].

const (
	// interruptTime is for how long an interrupted transfer waits for loads that are only
	// to be answered.
	interruptTime = 2 * time.Second
	// leastStage is the least size of the layers of one load, in bytes, where there
	// are several: each costs the engine some 0.1 s.
	leastStage = 32 << 20
	// mostStages is about how many loads one image is divided into at most.
	mostStages = 8
	// mostLoads is how many loads may be open at once: each is a connection, and an
	// archive in the engine's temporary folder. There are more only if the source gives
	// parts of more than so many loads before the rest of any.
	mostLoads = 32
)

// A stage is one load of a transfer.
type stage struct {
	// images are the places of its images in the offer, of which it has the lowest depth
	// layers. Only the last loads have several, and all layers.
	images []int
	depth  int
	holds  bool                   // it has nothing that was not here
	whole  bool                   // it is the image itself, see [staging.addWhole]
	await  map[digest.Digest]bool // blobs that are to come, and belong here
	load   *load                  // nil until it is needed

	// Of a prefix, or a whole image:
	id   digest.Digest // what the engine will call it
	new  bool          // of a whole image: the engine did not have it
	done chan struct{} // closed when the engine has answered, or will not
	err  error
}

// A staging is the loads of one round.
type staging struct {
	key      store.Key // what the engine knows layers by
	prefixes []*stage
	begun    int                                  // how many prefixes have all their layers and are ending
	loaded   int                                  // how many of these have been loaded
	last     []*stage                             // the offered images
	filling  int                                  // how many open loads lack a blob, or are of last
	fresh    []digest.Digest                      // images that the last loads make and that were not here
	takers   map[digest.Digest][]*stage           // the loads that await a blob, or did
	whole    map[int]bool                         // the places of images with a load by [staging.addWhole]
	blobs    map[digest.Digest]ocispec.Descriptor // layers of prefixes, as they are here or were put
	configs  map[digest.Digest][]byte             // of whole images
	held     int                                  // the bytes of configs
	retry    string                               // why the round is to be repeated; what comes is not looked at any more

	ctx    context.Context // of the ends of the prefixes, which wait for each other
	cancel context.CancelFunc
}

func (e *Engine) newStaging(ctx context.Context) *staging {
	t := &staging{key: e.key, takers: map[digest.Digest][]*stage{}, whole: map[int]bool{}, blobs: map[digest.Digest]ocispec.Descriptor{}, configs: map[digest.Digest][]byte{}}
	t.ctx, t.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return t
}

// startLoads divides a round into loads, by the sizes that the offer claims. Where much
// is to come and the lowest layers are here, it loads the prefix of just these first:
// that proves that they are here, and keeps them here. If that fails, the plan has none.
func (s *Sink) startLoads(ctx context.Context) error {
	s.arrived = false
	s.loads = s.e.newStaging(ctx)
	if s.offer.DryRun {
		return nil
	}
	if err := s.hold(ctx); err != nil {
		s.endLoads(0)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for i := range s.plan.Images {
			clear(s.plan.Images[i].Have)
		}
		s.loads = s.e.newStaging(ctx)
	}
	t := s.loads
	loaded := map[part]bool{} // layers that have their load
	for i, ip := range s.plan.Images {
		if ip.Status != transfer.Take {
			continue
		}
		m := &s.offer.Images[i]
		if s.takesPrefixes(m) {
			t.divide(i, m, ip.Have, loaded)
		}
		if s.e.oneImagePerLoad {
			t.addWhole(i, m, ip.Have, loaded)
		}
	}
	for i, ip := range s.plan.Images {
		if ip.Status != transfer.Take || t.whole[i] {
			continue
		}
		if len(t.last) == 0 || s.e.oneImagePerLoad {
			t.last = append(t.last, &stage{await: map[digest.Digest]bool{}})
		}
		st, m := t.last[len(t.last)-1], &s.offer.Images[i]
		st.images = append(st.images, i)
		st.await[m.Config], st.await[m.Root] = true, true
		for j, p := range t.parts(m) {
			if !ip.Have[j] && !loaded[p] {
				st.await[p.blob], loaded[p] = true, true
			}
		}
		delete(st.await, "") // what is not known before it comes
	}
	for _, st := range slices.Concat(t.prefixes, t.last) {
		for d := range st.await {
			t.takers[d] = append(t.takers[d], st)
		}
	}
	if len(t.last) > mostLoads {
		return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%d images whose layers the sender cannot tell before it exports them: %s takes %d at once", len(t.last), s.e, mostLoads),
			Hint: transfer.SeveralGoes}
	}
	return nil
}

// takesPrefixes reports whether prefixes of an image are loaded. A repeated round has
// none: it must not depend on anything.
func (s *Sink) takesPrefixes(m *transfer.Image) bool {
	return !s.offer.Full && s.e.takesPrefixes(m)
}

// divide adds the prefixes of the image m at place i, whose layers are here as have
// says.
func (t *staging) divide(i int, m *transfer.Image, have []bool, loaded map[part]bool) {
	keys := t.parts(m)
	missing := func(j int) bool { return !have[j] && !loaded[keys[j]] }
	var left int64
	for j, l := range m.Layers {
		if missing(j) {
			left += l.Size
		}
	}
	size := max(leastStage, left/mostStages)
	var run int64
	begin := func() *stage {
		return &stage{images: []int{i}, await: map[digest.Digest]bool{}, done: make(chan struct{})}
	}
	st := begin()
	var held []part
	for j, l := range m.Layers {
		if !missing(j) {
			continue
		}
		if l.Digest == "" {
			return // it cannot be told where it belongs when it comes
		}
		st.await[l.Digest] = true
		held = append(held, keys[j])
		run, left = run+l.Size, left-l.Size
		if run < size || left < leastStage {
			continue
		}
		for _, k := range held {
			loaded[k] = true
		}
		st.depth = j + 1
		t.prefixes = append(t.prefixes, st)
		st, run, held = begin(), 0, nil
	}
}

// addWhole adds the load of the image at place i, if it is known what belongs to it: one that
// ends as soon as it has its blobs, so that few are open at once however many images
// there are.
func (t *staging) addWhole(i int, m *transfer.Image, have []bool, loaded map[part]bool) {
	st := &stage{images: []int{i}, depth: len(m.Layers), whole: true, await: map[digest.Digest]bool{m.Config: true}, done: make(chan struct{})}
	parts := t.parts(m)
	for j, p := range parts {
		if !have[j] && !loaded[p] {
			st.await[p.blob] = true
		}
	}
	if st.await[""] {
		return
	}
	for _, p := range parts {
		loaded[p] = true
	}
	t.configs[m.Config] = nil
	t.whole[i] = true
	t.prefixes = append(t.prefixes, st)
}

// maxConfigs bounds the configs that are in memory, in bytes.
const maxConfigs = 32 << 20

// putConfig keeps the config of whole images until their layers are there.
func (s *Sink) putConfig(desc ocispec.Descriptor, r io.Reader) error {
	t := s.loads
	if desc.Size > layout.MaxDocument || t.held+int(desc.Size) > maxConfigs {
		return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("configs of more than %d bytes in all", maxConfigs),
			Hint: "send the images in several transfers"}
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	t.configs[desc.Digest], t.held = b, t.held+len(b)
	return s.came(desc.Digest, desc)
}

// A part is a layer as an engine knows it, and the blob that it comes as. It is in one
// load only: two that are open at once would wait for each other in a containerd store,
// which writes a blob once at a time. But a classic store knows a layer on top of those
// below it, and a blob may be several parts.
type part struct{ key, blob digest.Digest }

func (t *staging) parts(m *transfer.Image) []part {
	out := make([]part, len(m.Layers))
	for j, key := range t.key.Of(m) {
		out[j] = part{key, m.Layers[j].Digest}
	}
	return out
}

// of returns the loads into which a blob goes. One that no load awaits, such as an
// attestation, goes into the last ones.
func (t *staging) of(d digest.Digest) []*stage {
	var out []*stage
	for _, st := range t.takers[d] {
		if st.await[d] {
			out = append(out, st)
		}
	}
	if len(out) == 0 {
		return t.last
	}
	return out
}

// failed returns the first failure of a prefix that has been answered. They are answered
// in their order.
func (t *staging) failed() error {
	for ; t.loaded < t.begun; t.loaded++ {
		st := t.prefixes[t.loaded]
		select {
		case <-st.done:
			if st.err != nil {
				return st.err
			}
		default:
			return nil
		}
	}
	return nil
}

// makeRoom waits until another load may be opened. Loads that lack a blob cannot be waited
// for: it may be the next one that comes.
func (t *staging) makeRoom(ctx context.Context) error {
	for t.failed() == nil && t.loaded < t.begun && t.filling+t.begun-t.loaded >= mostLoads {
		select {
		case <-t.prefixes[t.loaded].done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// wait waits for all prefixes that are ending.
func (t *staging) wait(ctx context.Context) error {
	for _, st := range t.prefixes[:t.begun] {
		if err := st.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// close ends what is still open, and returns when that has ended. Prefixes that have all
// their layers get this long to be loaded.
func (t *staging) close(grace time.Duration) {
	for _, st := range slices.Concat(t.prefixes[t.begun:], t.last) {
		if st.load != nil {
			st.load.abort(context.Background())
		}
	}
	stop := time.AfterFunc(grace, t.cancel)
	defer stop.Stop()
	for _, st := range t.prefixes[:t.begun] {
		<-st.done
	}
	t.cancel()
}

// came notes that a layer has been put that was offered as d.
func (s *Sink) came(d digest.Digest, blob ocispec.Descriptor) error {
	for _, st := range s.loads.takers[d] {
		if st.done != nil && st.await[d] { // not the last loads, which end when all has come
			delete(st.await, d)
			s.loads.blobs[d] = blob
		}
	}
	return s.endFilled()
}

// endFilled begins to end the prefixes that have all their layers, in their order.
func (s *Sink) endFilled() error {
	t := s.loads
	for t.begun < len(t.prefixes) && len(t.prefixes[t.begun].await) == 0 {
		st := t.prefixes[t.begun]
		compose := s.prefix
		if st.whole {
			compose = s.wholeImage
		}
		config, m, err := compose(st)
		if err != nil {
			return err
		}
		var before *stage
		if t.begun > 0 {
			before = t.prefixes[t.begun-1]
		}
		t.begun++
		if st.load != nil {
			t.filling--
		}
		go func() {
			defer close(st.done)
			st.err = s.endPrefix(t.ctx, st, before, config, m)
		}()
	}
	return nil
}

// endPrefix ends the load of a prefix when the one before it is there, and waits for
// the engine's answer.
func (s *Sink) endPrefix(ctx context.Context, st, before *stage, config []byte, m *transfer.IndexImage) error {
	err := before.wait(ctx)
	if err == nil && st.whole {
		_, ferr := s.e.find(ctx, st.id.String())
		if st.new = errdefs.IsNotFound(ferr); !st.new {
			err = ferr
		}
	}
	if err == nil {
		if st.load == nil { // all its layers were here
			st.load = s.startLoad(ctx, st)
		}
		if err = st.load.image(config, m); err != nil {
			err = st.load.failure(ctx, err)
		} else {
			err = st.load.answer(ctx)
		}
	}
	if err == nil {
		st.load.cancel()
		s.reportLoaded(st)
		return nil
	}
	if st.load != nil {
		st.load.abort(ctx)
	}
	if st.whole {
		if st.new {
			s.discardOne(ctx, st.id)
		}
		return failed("load", err)
	}
	s.discardOne(ctx, st.id) // a containerd store has been seen to keep what it could not unpack
	return failed(fmt.Sprintf("load the lowest %d layers of %s", st.depth, s.offer.Images[st.images[0]].Name()), err)
}

// wait waits until the prefix has been loaded, and returns why it was not. There is
// nothing to wait for before the first one, which is nil.
func (st *stage) wait(ctx context.Context) error {
	if st == nil {
		return nil
	}
	select {
	case <-st.done:
		return st.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
