package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"
)

// A hubRun is several copies out of one hub.
type hubRun struct {
	images []*transfertest.Image
	src    *transfertest.Source
	from   transfer.Source // default: src
	lag    time.Duration
	once   bool // the source cannot be opened again
	sinks  []transfer.Sink
	opts   []transfer.Options // for each sink; none: zero
	late   func(i int)        // called before each copy

	mu     sync.Mutex
	opened []*transfertest.Source // again
	change func(*transfertest.Source)
	alone  []string // why copies went on alone, with their numbers
	reps   []*transfer.Report
	errs   []error
	closed error
}

func (r *hubRun) do(t *testing.T) {
	t.Helper()
	if r.src == nil {
		r.src = transfertest.NewSource(r.images...)
	}
	if r.from == nil {
		r.from = r.src
	}
	o := transfer.HubOptions{Lag: r.lag}
	if !r.once {
		o.Again = func(context.Context) (transfer.Source, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			s := transfertest.NewSource(r.images...)
			if r.change != nil {
				r.change(s)
			}
			r.opened = append(r.opened, s)
			return s, nil
		}
	}
	h := transfer.NewHub(t.Context(), r.from, o)
	n := len(r.sinks)
	r.reps, r.errs = make([]*transfer.Report, n), make([]error, n)
	taps := make([]*transfer.Tap, n)
	for i := range taps {
		taps[i] = h.Tap(func(why string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.alone = append(r.alone, fmt.Sprintf("%d: %s", i, why))
		})
	}
	var wg sync.WaitGroup
	for i, dst := range r.sinks {
		var opts transfer.Options
		if r.opts != nil {
			opts = r.opts[i]
		}
		wg.Go(func() {
			if r.late != nil {
				r.late(i)
			}
			if dst == nil {
				r.errs[i] = taps[i].Close(errUnreached)
				return
			}
			r.reps[i], r.errs[i] = transfer.Copy(t.Context(), taps[i], dst, opts)
		})
	}
	wg.Wait()
	r.closed = h.Close()
}

// large returns n bytes, cheaply.
func large(seed byte, n int) []byte {
	b := make([]byte, n)
	b[0], b[n/2] = seed, seed
	return b
}

var errUnreached = errors.New("not reached")

// arrived fails the test unless all images are at the sink, verified and named.
func arrived(t *testing.T, name string, dst *transfertest.Sink, images []*transfertest.Image, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for _, m := range images {
		if dst.Names[m.Refs[0]] != m.ID {
			t.Errorf("%s: %s has no name", name, m.Refs[0])
		}
		for d, b := range m.Blobs {
			if !bytes.Equal(dst.Blobs[d], b) {
				t.Errorf("%s: blob %s is missing or another", name, d)
			}
		}
	}
	if dst.Closed != 1 || dst.CloseErr != nil {
		t.Errorf("%s: closed %d times with %v", name, dst.Closed, dst.CloseErr)
	}
}

// wantOnce fails unless the source was exported once, and put no blob twice.
func wantOnce(t *testing.T, src *transfertest.Source) {
	t.Helper()
	seen := map[digest.Digest]bool{}
	for _, d := range src.Puts {
		if seen[d] {
			t.Errorf("blob %s was read twice", d)
		}
		seen[d] = true
	}
	if src.Exported != 1 || src.Closed != 1 || src.CloseErr != nil {
		t.Errorf("exported %d times, closed %d times with %v", src.Exported, src.Closed, src.CloseErr)
	}
}

// TestHub has each scenario go to three sinks as it would to one, and the source read
// once.
func TestHub(t *testing.T) {
	for _, s := range transfertest.Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			t.Cleanup(func() { goleak.VerifyNone(t) })
			src, first := s.Ends()
			dst := []*transfertest.Sink{first}
			for range 2 {
				_, d := s.Ends()
				dst = append(dst, d)
			}
			r := &hubRun{images: s.Images, src: src, sinks: []transfer.Sink{dst[0], dst[1], dst[2]}}
			r.do(t)
			if r.closed != nil {
				t.Error(r.closed)
			}
			for i, d := range dst {
				s.Check(t, fmt.Sprint("copy ", i), src, d, r.reps[i], r.errs[i])
			}
			if src.Exported > 1 || s.Rounds == 1 && len(r.opened) > 0 || s.Rounds == 2 && len(r.opened) != 3 {
				t.Errorf("exported %d times, opened %d times again", src.Exported, len(r.opened))
			}
			if len(r.alone) > 0 {
				t.Errorf("alone: %q", r.alone)
			}
		})
	}
}

// TestHubPlans gives sinks that have different parts of the images no more than they lack.
func TestHubPlans(t *testing.T) {
	base, mid, app, other := transfertest.Text(1, 300_000), transfertest.Text(2, 50_000), transfertest.Random(3, 40_000), transfertest.Random(4, 90_000)
	one := transfertest.NewImage("app:1", false, base, mid, app)
	two := transfertest.NewImage("app:2", false, base, other)
	images := []*transfertest.Image{one, two}
	new, based, whole, all := transfertest.NewSink(), transfertest.NewSink(transfertest.NewImage("b:1", false, base, mid)), transfertest.NewSink(), transfertest.NewSink()
	whole.Hold(one)
	all.Hold(one)
	all.Hold(two)
	src := transfertest.NewSource(images...)
	r := &hubRun{images: images, src: src, sinks: []transfer.Sink{new, based, whole, all}, once: true}
	r.do(t)
	for i, want := range []struct {
		dst  *transfertest.Sink
		puts []digest.Digest
	}{
		{new, []digest.Digest{one.ID, two.ID, digest.FromBytes(base), digest.FromBytes(mid), digest.FromBytes(app), digest.FromBytes(other)}},
		{based, []digest.Digest{one.ID, two.ID, digest.FromBytes(app), digest.FromBytes(other)}},
		{whole, []digest.Digest{two.ID, digest.FromBytes(other)}},
		{all, nil},
	} {
		arrived(t, fmt.Sprint("copy ", i), want.dst, images, r.errs[i])
		var got []digest.Digest
		for d := range want.dst.Pending {
			got = append(got, d)
		}
		slices.Sort(got)
		slices.Sort(want.puts)
		if !slices.Equal(got, want.puts) {
			t.Errorf("copy %d: got %v, want %v", i, got, want.puts)
		}
	}
	if src.Exported != 1 {
		t.Errorf("exported %d times", src.Exported)
	}
}

// TestHubForeignBlob has a blob that no offer lists: a source that can tell whose it is
// gives it to nobody else, with another one whoever might not want it goes on alone.
func TestHubForeignBlob(t *testing.T) {
	for _, lists := range []bool{true, false} {
		t.Run(fmt.Sprint("lists ", lists), func(t *testing.T) {
			one, two := transfertest.NewImage("a:1", false, transfertest.Random(1, 1000)), transfertest.NewImage("b:1", false, transfertest.Random(2, 1000))
			images := []*transfertest.Image{one, two}
			extra := transfertest.Random(9, 5000)
			both, second := transfertest.NewSink(), transfertest.NewSink()
			second.Hold(one)
			src := transfertest.NewSource(images...)
			r := &hubRun{images: images, src: src, sinks: []transfer.Sink{both, second}}
			with := extraSource{src, one.ID, extra}
			if r.from = with; lists {
				r.from = listing{with}
			}
			r.do(t)
			arrived(t, "both", both, images, r.errs[0])
			arrived(t, "second", second, images, r.errs[1])
			d := digest.FromBytes(extra)
			if both.Pending[d] == nil || second.Pending[d] != nil {
				t.Error("the blob has not got to the one that lacks its image, or to the other one")
			}
			if lists != (len(r.alone) == 0) || lists != (len(r.opened) == 0) {
				t.Errorf("alone %q, opened %d times again", r.alone, len(r.opened))
			}
		})
	}
}

// An extraSource puts a blob that no offer lists with an image.
type extraSource struct {
	*transfertest.Source
	of   digest.Digest
	blob []byte
}

func (s extraSource) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	for i, ip := range p.Images {
		if o.Images[i].ID == s.of && ip.Status == transfer.Take {
			d := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(s.blob), Size: int64(len(s.blob))}
			if err := w.Put(ctx, d, bytes.NewReader(s.blob)); err != nil {
				return nil, err
			}
		}
	}
	return s.Source.Export(ctx, o, p, w)
}

type listing struct{ extraSource }

func (s listing) Blobs(id digest.Digest) []digest.Digest {
	if id != s.of {
		return nil
	}
	return []digest.Digest{digest.FromBytes(s.blob)}
}

// TestHubFails has one copy fail in each of its steps: the others do not notice.
func TestHubFails(t *testing.T) {
	failed := errors.New("failed by itself")
	image := transfertest.NewImage("a:1", false, large(1, 9<<20), transfertest.Random(2, 1000))
	for name, bad := range map[string]func(*transfertest.Sink) transfer.Sink{
		"unreached": func(*transfertest.Sink) transfer.Sink { return nil },
		"refuses": func(s *transfertest.Sink) transfer.Sink {
			s.OnPlan = func(context.Context) error { return failed }
			return s
		},
		"first blob": func(s *transfertest.Sink) transfer.Sink {
			s.OnPut = func(context.Context, int) error { return failed }
			return s
		},
		"inside a blob": func(s *transfertest.Sink) transfer.Sink { return &halfSink{s, 5 << 20, failed} },
		"last blob": func(s *transfertest.Sink) transfer.Sink {
			s.OnPut = func(_ context.Context, n int) error {
				if n == 2 {
					return failed
				}
				return nil
			}
			return s
		},
		"commit": func(s *transfertest.Sink) transfer.Sink {
			s.OnLoad = func(context.Context) error { return failed }
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { goleak.VerifyNone(t) })
			a, b, x := transfertest.NewSink(), transfertest.NewSink(), transfertest.NewSink()
			src := transfertest.NewSource(image)
			r := &hubRun{images: []*transfertest.Image{image}, src: src, sinks: []transfer.Sink{a, bad(x), b}, once: true}
			r.do(t)
			arrived(t, "first", a, r.images, r.errs[0])
			arrived(t, "third", b, r.images, r.errs[2])
			if r.sinks[1] != nil && !errors.Is(r.errs[1], failed) || len(x.Names) > 0 {
				t.Errorf("%v, names %v", r.errs[1], x.Names)
			}
			wantOnce(t, src)
		})
	}
}

// A halfSink fails in the middle of a blob.
type halfSink struct {
	*transfertest.Sink
	after int64
	err   error
}

func (s *halfSink) Put(_ context.Context, _ ocispec.Descriptor, r io.Reader) error {
	if n, _ := io.CopyN(io.Discard, r, s.after); n == s.after {
		return s.err
	}
	return nil
}

// TestHubAllFail has every copy fail: the export ends, and the source hears why.
func TestHubAllFail(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	failed := errors.New("failed by itself")
	image := transfertest.NewImage("a:1", false, large(1, 9<<20), transfertest.Random(2, 1000))
	src := transfertest.NewSource(image)
	r := &hubRun{images: []*transfertest.Image{image}, src: src, once: true, sinks: []transfer.Sink{
		&halfSink{transfertest.NewSink(), 5 << 20, failed}, &halfSink{transfertest.NewSink(), 0, failed}}}
	r.do(t)
	for _, err := range append(r.errs, src.CloseErr) {
		if !errors.Is(err, failed) {
			t.Error(err)
		}
	}
	if src.Closed != 1 || slices.Contains(src.Puts, digest.FromBytes(transfertest.Random(2, 1000))) {
		t.Errorf("closed %d times after %v", src.Closed, src.Puts)
	}
}

// TestHubSourceFails has the source fail: each copy says how.
func TestHubSourceFails(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	image := transfertest.NewImage("a:1", false, large(1, 1<<20))
	for name, change := range map[string]func(*transfertest.Source){
		"export": func(s *transfertest.Source) {
			s.OnExport = func(context.Context) error { return errors.New("no export") }
		},
		"blob": func(s *transfertest.Source) {
			s.OnBlob = func(_ context.Context, n int) error {
				if n == 1 {
					return errors.New("no blob")
				}
				return nil
			}
		},
		"other": func(s *transfertest.Source) {
			s.Wrap = func(_ ocispec.Descriptor, b []byte) []byte { return append(b[:len(b)-1:len(b)-1], b[len(b)-1]^1) }
		},
		"short": func(s *transfertest.Source) {
			s.Wrap = func(_ ocispec.Descriptor, b []byte) []byte { return b[1:] }
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := transfertest.NewSource(image)
			change(src)
			r := &hubRun{images: []*transfertest.Image{image}, src: src, once: true, sinks: []transfer.Sink{transfertest.NewSink(), transfertest.NewSink()}}
			r.do(t)
			alone := transfertest.NewSource(image)
			change(alone)
			_, want := transfer.Copy(t.Context(), alone, transfertest.NewSink(), transfer.Options{})
			for _, err := range r.errs {
				if err == nil || err.Error() != want.Error() {
					t.Errorf("%v, want %v as without the hub", err, want)
				}
			}
			if src.Closed != 1 || src.CloseErr == nil {
				t.Errorf("closed %d times with %v", src.Closed, src.CloseErr)
			}
		})
	}
}

// A slowSink takes some bytes of each blob, then nothing for a time, then the rest.
type slowSink struct {
	*transfertest.Sink
	at   int64
	time time.Duration
	only digest.Digest // of this blob
}

func (s *slowSink) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if s.only != "" && d.Digest != s.only {
		return s.Sink.Put(ctx, d, r)
	}
	return s.Sink.Put(ctx, d, &pausingReader{r: r, left: s.at, time: s.time})
}

type pausingReader struct {
	r    io.Reader
	left int64
	time time.Duration
	done bool
}

func (p *pausingReader) Read(b []byte) (int, error) {
	if p.left <= 0 && !p.done {
		p.done = true
		time.Sleep(p.time)
	}
	if !p.done {
		b = b[:min(int64(len(b)), p.left)]
	}
	n, err := p.r.Read(b)
	p.left -= int64(n)
	return n, err
}

// TestHubLags has a copy take nothing for an hour, in the middle of a blob: the others
// wait for the lag, and it goes on alone where it was, reading only what it lacks.
func TestHubLags(t *testing.T) {
	first, big, last := transfertest.Random(1, 300_000), large(2, 20<<20), large(3, 9<<20)
	image := transfertest.NewImage("a:1", false, first, big, last)
	for name, test := range map[string]struct {
		only   []byte
		at     int64
		change func(*transfertest.Source) // of the source that is opened again
		opened int
		puts   int // blobs out of these: the config, which it has, and those that it lacks
	}{
		"in a blob":       {big, 1 << 20, nil, 1, 3},
		"before a blob":   {big, 0, nil, 1, 3},
		"other order":     {big, 1 << 20, func(s *transfertest.Source) { s.Reverse = true }, 2, 5},
		"damaged":         {big, 1 << 20, func(s *transfertest.Source) { s.Wrap = damage }, 1, 3},
		"not given again": {big, 1 << 20, func(s *transfertest.Source) { s.Fill([]transfer.Image{}) }, 1, 0},
		"fails":           {big, 1 << 20, func(s *transfertest.Source) { s.OnExport = func(context.Context) error { return errors.New("gone") } }, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b, slow := transfertest.NewSink(), transfertest.NewSink(), transfertest.NewSink()
				src := transfertest.NewSource(image)
				r := &hubRun{images: []*transfertest.Image{image}, src: src, change: test.change,
					sinks: []transfer.Sink{a, &slowSink{slow, test.at, time.Hour, digest.FromBytes(test.only)}, b}}
				r.opts = []transfer.Options{{}, {Patience: transfer.Patience{Bytes: 2 * time.Hour}}, {}}
				start := time.Now()
				var took time.Duration
				a.OnLoad = func(context.Context) error { took = time.Since(start); return nil }
				r.do(t)
				arrived(t, "first", a, r.images, r.errs[0])
				arrived(t, "third", b, r.images, r.errs[2])
				if took < transfer.DefaultLag || took > transfer.DefaultLag+time.Second {
					t.Errorf("the others were held for %v", took)
				}
				if want := []string{"1: it takes less than the others"}; !slices.Equal(r.alone, want) {
					t.Errorf("alone %q", r.alone)
				}
				puts := 0
				for _, s := range r.opened {
					puts += len(s.Puts)
					if s.Closed != 1 {
						t.Errorf("closed %d times", s.Closed)
					}
				}
				if len(r.opened) != test.opened || puts != test.puts {
					t.Errorf("opened %d times for %d blobs", len(r.opened), puts)
				}
				switch name {
				case "damaged":
					if transfer.KindOf(r.errs[1]) != transfer.KindBroken || len(slow.Names) > 0 {
						t.Errorf("%v, names %v", r.errs[1], slow.Names)
					}
				case "not given again":
					if r.errs[1] == nil || !strings.Contains(r.errs[1].Error(), "changed here meanwhile") {
						t.Error(r.errs[1])
					}
				case "fails":
					if r.errs[1] == nil || r.errs[1].Error() != "gone" {
						t.Error(r.errs[1])
					}
				default:
					arrived(t, "slow", slow, r.images, r.errs[1])
				}
				wantOnce(t, src)
			})
		})
	}
}

// damage changes the last byte of large blobs.
func damage(_ ocispec.Descriptor, b []byte) []byte {
	if len(b) < 1<<20 {
		return b
	}
	b = bytes.Clone(b)
	b[len(b)-1] ^= 1
	return b
}

// TestHubLagsInAll has a copy hold the others a little, again and again.
func TestHubLagsInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var layers [][]byte
		for i := range 10 {
			layers = append(layers, large(byte(i), 6<<20))
		}
		image := transfertest.NewImage("a:1", false, layers...)
		a, slow := transfertest.NewSink(), transfertest.NewSink()
		start := time.Now()
		var took time.Duration
		a.OnLoad = func(context.Context) error { took = time.Since(start); return nil }
		src := transfertest.NewSource(image)
		r := &hubRun{images: []*transfertest.Image{image}, src: src, lag: 5 * time.Second, sinks: []transfer.Sink{a, &slowSink{Sink: slow, time: time.Second}}}
		r.do(t)
		arrived(t, "first", a, r.images, r.errs[0])
		arrived(t, "slow", slow, r.images, r.errs[1])
		if took < 5*time.Second || took > 6*time.Second || len(r.alone) != 1 {
			t.Errorf("the other was held for %v, alone %q", took, r.alone)
		}
		wantOnce(t, src)
	})
}

// TestHubOnce has a copy lag whose source can be read only once.
func TestHubOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		image := transfertest.NewImage("a:1", false, large(1, 9<<20))
		a, slow := transfertest.NewSink(), transfertest.NewSink()
		r := &hubRun{images: []*transfertest.Image{image}, once: true, sinks: []transfer.Sink{a, &slowSink{Sink: slow, time: time.Minute}}}
		r.do(t)
		arrived(t, "first", a, r.images, r.errs[0])
		if transfer.KindOf(r.errs[1]) != transfer.KindBroken || !strings.Contains(r.errs[1].Error(), "read only once") || len(slow.Names) > 0 {
			t.Errorf("%v, names %v", r.errs[1], slow.Names)
		}
	})
}

// TestHubLate has a plan that comes late: the others wait for the lag, and it goes on
// alone.
func TestHubLate(t *testing.T) {
	for late, alone := range map[time.Duration]bool{20 * time.Second: false, time.Minute: true} {
		t.Run(late.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				image := transfertest.NewImage("a:1", false, large(1, 9<<20))
				a, b := transfertest.NewSink(), transfertest.NewSink()
				b.OnPlan = func(context.Context) error { time.Sleep(late); return nil }
				start := time.Now()
				a.OnPut = func(context.Context, int) error {
					if waited := time.Since(start); waited != min(late, transfer.DefaultLag) {
						t.Errorf("waited for %v", waited)
					}
					return nil
				}
				src := transfertest.NewSource(image)
				r := &hubRun{images: []*transfertest.Image{image}, src: src, sinks: []transfer.Sink{a, b}}
				r.do(t)
				arrived(t, "first", a, r.images, r.errs[0])
				arrived(t, "late", b, r.images, r.errs[1])
				if alone != (len(r.opened) == 1) || alone != slices.Equal(r.alone, []string{"1: the others have begun"}) {
					t.Errorf("opened %d times again, alone %q", len(r.opened), r.alone)
				}
				wantOnce(t, src)
			})
		})
	}
}

// TestHubRetry has one sink lose a layer: it alone gets every layer, and the source is
// read once more for it.
func TestHubRetry(t *testing.T) {
	base := transfertest.Random(1, 100_000)
	image := transfertest.NewImage("a:1", false, base, transfertest.Random(2, 1000))
	have := transfertest.NewImage("x:1", false, base)
	a, b := transfertest.NewSink(have), transfertest.NewSink(have)
	b.Vanish = map[digest.Digest]bool{digest.FromBytes(base): true}
	src := transfertest.NewSource(image)
	var retries []string
	r := &hubRun{images: []*transfertest.Image{image}, src: src, sinks: []transfer.Sink{a, b},
		opts: []transfer.Options{{}, {OnRetry: func(why string) { retries = append(retries, why) }}}}
	r.do(t)
	arrived(t, "first", a, r.images, r.errs[0])
	arrived(t, "second", b, r.images, r.errs[1])
	if len(retries) != 1 || a.Rounds != 1 || b.Rounds != 2 || len(r.opened) != 1 || r.opened[0].Closed != 1 {
		t.Errorf("retries %q, %d and %d rounds, opened %d times again", retries, a.Rounds, b.Rounds, len(r.opened))
	}
	wantOnce(t, src)
}

// TestHubDryRun has dry runs on the side of one sink, or of all.
func TestHubDryRun(t *testing.T) {
	image := transfertest.NewImage("a:1", false, transfertest.Random(1, 100_000))
	dry := transfer.Options{DryRun: true}
	for name, opts := range map[string][]transfer.Options{"all": {dry, dry}, "one": {{}, dry}} {
		t.Run(name, func(t *testing.T) {
			a, b := transfertest.NewSink(), transfertest.NewSink()
			r := &hubRun{images: []*transfertest.Image{image}, sinks: []transfer.Sink{a, b}, opts: opts, once: true}
			r.do(t)
			for i, dst := range []*transfertest.Sink{a, b} {
				if r.errs[i] != nil || r.reps[i].DryRun != opts[i].DryRun || (dst.Puts == 0) != opts[i].DryRun {
					t.Errorf("copy %d: %+v after %d puts, %v", i, r.reps[i], dst.Puts, r.errs[i])
				}
			}
			want := 1
			if opts[0].DryRun {
				want = 0
			}
			if r.src.Exported != want || r.src.CloseErr != nil {
				t.Errorf("exported %d times, closed with %v", r.src.Exported, r.src.CloseErr)
			}
		})
	}
}

// TestHubWatchdog has a source hang while copies share it, and a copy held by another
// one for longer than its source may be silent.
func TestHubWatchdog(t *testing.T) {
	image := transfertest.NewImage("a:1", false, large(1, 9<<20))
	patience := transfer.Options{Patience: transfer.Patience{Bytes: time.Minute, Work: time.Minute}}
	t.Run("source", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := transfertest.NewSource(image)
			src.OnExport = hang
			r := &hubRun{images: []*transfertest.Image{image}, src: src, sinks: []transfer.Sink{transfertest.NewSink(), transfertest.NewSink()},
				opts: []transfer.Options{patience, patience}}
			r.do(t)
			for _, err := range r.errs {
				wantEngine(t, err, "has not given the next blob for")
			}
		})
	})
	t.Run("brother", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, slow := transfertest.NewSink(), transfertest.NewSink()
			r := &hubRun{images: []*transfertest.Image{image}, lag: time.Hour, sinks: []transfer.Sink{a, &slowSink{Sink: slow, time: 30 * time.Minute, only: digest.FromBytes(large(1, 9<<20))}},
				opts: []transfer.Options{patience, {Patience: transfer.Patience{Bytes: time.Hour}}}}
			r.do(t)
			arrived(t, "held", a, r.images, r.errs[0])
			arrived(t, "slow", slow, r.images, r.errs[1])
		})
	})
	t.Run("sink", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, stuck := transfertest.NewSink(), transfertest.NewSink()
			stuck.OnPut = func(ctx context.Context, _ int) error { return hang(ctx) }
			r := &hubRun{images: []*transfertest.Image{image}, sinks: []transfer.Sink{a, stuck}, opts: []transfer.Options{patience, patience}}
			r.do(t)
			arrived(t, "first", a, r.images, r.errs[0])
			wantEngine(t, r.errs[1], "has not taken any data for")
		})
	})
	t.Run("late", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, late := transfertest.NewSink(), transfertest.NewSink()
			late.OnPlan = func(context.Context) error { time.Sleep(45 * time.Second); return nil }
			r := &hubRun{images: []*transfertest.Image{image}, sinks: []transfer.Sink{a, late}, opts: []transfer.Options{patience, patience},
				change: func(s *transfertest.Source) { s.OnExport = hang }}
			r.do(t)
			arrived(t, "first", a, r.images, r.errs[0])
			wantEngine(t, r.errs[1], "has not given the next blob for")
		})
	})
}

// TestHubCancel has the user interrupt.
func TestHubCancel(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	image := transfertest.NewImage("a:1", false, large(1, 30<<20))
	h := transfer.NewHub(ctx, transfertest.NewSource(image), transfer.HubOptions{})
	var wg sync.WaitGroup
	for _, tap := range []*transfer.Tap{h.Tap(nil), h.Tap(nil)} {
		dst := transfertest.NewSink()
		dst.OnPut = func(ctx context.Context, n int) error {
			if n == 1 {
				cancel()
				return hang(ctx)
			}
			return nil
		}
		wg.Go(func() {
			if _, err := transfer.Copy(ctx, tap, dst, transfer.Options{}); transfer.KindOf(err) != transfer.KindInterrupted {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

// TestHubUnused closes a hub of which nothing was copied.
func TestHubUnused(t *testing.T) {
	src := transfertest.NewSource(transfertest.NewImage("a:1", false))
	h := transfer.NewHub(t.Context(), src, transfer.HubOptions{})
	tap := h.Tap(nil)
	if err := errors.Join(tap.Close(errUnreached), h.Close()); err != nil || src.Closed != 1 || !errors.Is(src.CloseErr, errUnreached) {
		t.Errorf("%v, closed %d times with %v", err, src.Closed, src.CloseErr)
	}
}
