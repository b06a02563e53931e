package wire_test

import (
	"bytes"
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// serve greets a receiver that has dialed, in the background.
func serve(t *testing.T, s wire.Stream, o wire.StreamOptions) <-chan *wire.Sender {
	t.Helper()
	served := make(chan *wire.Sender, 1)
	go func() {
		snd, err := new(wire.Sessions).Send(t.Context(), s, "receiver", wire.Hello{Program: "imgsend test"}, o)
		if err != nil {
			t.Error(err)
		}
		served <- snd
	}()
	return served
}

// fetch connects a sender that waits and a receiver that asks for something.
func fetch(t *testing.T, want wire.Request, o wire.StreamOptions) (*wire.Sender, *wire.Receiver) {
	t.Helper()
	out, in := transfertest.TCP(t)
	served := serve(t, out, o)
	rcv, err := wire.NewFetcher(t.Context(), in, wire.Hello{Program: "imgrecv test"}, want, o)
	if err != nil {
		t.Fatal(err)
	}
	return <-served, rcv
}

// closeBoth ends a transfer in good order.
func closeBoth(snd *wire.Sender, rcv *wire.Receiver) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = snd.Close(nil)
	}()
	_ = rcv.Close(nil)
	<-done
}

// listing is what the tests list.
func listing() *wire.Listing {
	return &wire.Listing{Images: []wire.Listed{
		{ID: digest.FromString("a"), Names: []string{"webapp:1.0", "webapp:latest"}, Size: 70 << 20,
			Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, Created: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)},
		{ID: digest.FromString("b")},
	}}
}

// TestWants checks that the sender learns what is asked for, once and before it offers.
func TestWants(t *testing.T) {
	checkLeaks(t)
	for _, want := range []wire.Request{{}, {List: true}, {Names: []string{"webapp:1.0", digest.FromString("a").String()}}} {
		snd, rcv := fetch(t, want, wire.StreamOptions{})
		for range 2 {
			if got, err := snd.Wants(t.Context()); err != nil || !reflect.DeepEqual(*got, want) {
				t.Errorf("asked for %+v, the sender knows %+v, %v", want, got, err)
			}
		}
		closeBoth(snd, rcv)
	}
}

// TestWantsNothing checks that a sender who dials does not wait to be asked.
func TestWantsNothing(t *testing.T) {
	checkLeaks(t)
	out, in := transfertest.TCP(t)
	received := make(chan *wire.Receiver, 1)
	go func() {
		rcv, err := wire.NewReceiver(t.Context(), in, wire.Hello{}, wire.StreamOptions{})
		if err != nil {
			t.Error(err)
		}
		received <- rcv
	}()
	snd, err := wire.NewSender(t.Context(), out, wire.Hello{}, wire.StreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if q, err := snd.Wants(t.Context()); q != nil || err != nil {
		t.Errorf("%+v, %v", q, err)
	}
	if err := snd.List(t.Context(), listing()); err == nil {
		t.Error("a listing that nobody has asked for is sent")
	}
	closeBoth(snd, <-received)
}

// badWants are invalid requests.
var badWants = map[string]wire.Request{
	"empty":    {Names: []string{""}},
	"control":  {Names: []string{"a\x1b[2J"}},
	"space":    {Names: []string{"a b"}},
	"not text": {Names: []string{"\xff"}},
	"long":     {Names: []string{strings.Repeat("a", 513)}},
	"many":     {Names: slices.Repeat([]string{"a"}, 4097)},
}

// TestWantsBad checks that a receiver sends no invalid request and a sender refuses one.
func TestWantsBad(t *testing.T) {
	checkLeaks(t)
	for name, want := range badWants {
		t.Run(name, func(t *testing.T) {
			_, in := transfertest.TCP(t)
			_, err := wire.NewFetcher(t.Context(), in, wire.Hello{}, want, wire.StreamOptions{})
			wantErr(t, "receiver", err, transfer.KindUsage, false, "name")
		})
	}
	for _, name := range []string{"bad-want-empty", "bad-want-control", "bad-want-long", "bad-want-many"} {
		t.Run(name, func(t *testing.T) {
			out, in := transfertest.TCP(t)
			served := serve(t, out, wire.StreamOptions{})
			_, _ = in.Write(append(golden(t, "hello"), golden(t, name)...))
			snd := <-served
			_, err := snd.Plan(t.Context(), &transfer.Offer{})
			wantErr(t, "sender", err, transfer.KindRefused, false, "name")
			_ = in.Close()
			_ = snd.Close(err)
		})
	}
}

// TestWantsTwice checks that a receiver asks once.
func TestWantsTwice(t *testing.T) {
	checkLeaks(t)
	out, in := transfertest.TCP(t)
	served := serve(t, out, wire.StreamOptions{})
	_, _ = in.Write(slices.Concat(golden(t, "hello"), golden(t, "want"), golden(t, "want")))
	snd := <-served
	<-snd.Failed()
	wantErr(t, "sender", snd.Err(), transfer.KindBroken, false, "out of turn")
	_ = in.Close()
	_ = snd.Close(snd.Err())
}

// TestWantsLate checks that neither side waits for ever for a peer that sends only alive
// frames.
func TestWantsLate(t *testing.T) {
	sends := func(act func(p *puppet), do func(*testing.T, *wire.Sender) error, text string) func(*testing.T) {
		return func(t *testing.T) {
			snd, err := new(wire.Sessions).Send(t.Context(), newPuppet(t, act), "receiver", wire.Hello{}, wire.StreamOptions{})
			if err != nil {
				t.Fatal(err)
			}
			err = do(t, snd)
			wantErr(t, "sender", err, transfer.KindBroken, false, text)
			_ = snd.Close(err)
		}
	}
	for name, test := range map[string]func(*testing.T){
		"request": sends(func(p *puppet) { p.hello(); p.live("queued") },
			func(t *testing.T, snd *wire.Sender) error { _, err := snd.Wants(t.Context()); return err }, "has not said what it wants for 1m0s"),
		"taking the listing": sends(func(p *puppet) { p.hello(); p.say(golden(p.t, "want-list")); p.live("queued") },
			func(t *testing.T, snd *wire.Sender) error { return snd.List(t.Context(), listing()) }, "has not taken the listing for 1m0s"),
		"listing": func(t *testing.T) {
			rcv := fetchFrom(t, func(p *puppet) { p.live("describing") })
			_, err := rcv.Listing(t.Context())
			wantErr(t, "receiver", err, transfer.KindBroken, false, "has not said what it offers for 1m0s")
			_ = rcv.Close(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				test(t)
				if took := time.Since(start); took < time.Minute || took > 70*time.Second {
					t.Errorf("given up after %v", took)
				}
			})
		})
	}
}

// fetchFrom asks a puppet for its listing.
func fetchFrom(t *testing.T, act func(*puppet)) *wire.Receiver {
	t.Helper()
	stream := newPuppet(t, func(p *puppet) {
		p.hello("deciding")
		act(p)
	})
	rcv, err := wire.NewFetcher(t.Context(), stream, wire.Hello{}, wire.Request{List: true}, wire.StreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return rcv
}

// TestFetcherWaitsForItsTurn has a sender serve somebody else first, or ask its user.
func TestFetcherWaitsForItsTurn(t *testing.T) {
	for _, phase := range []string{"queued", "deciding"} {
		late := func(frames ...[]byte) func(*puppet) {
			return func(p *puppet) {
				for start := time.Now(); time.Since(start) < 5*time.Hour; time.Sleep(2 * time.Second) {
					p.json(tAlive, map[string]string{"phase": phase})
				}
				p.say(slices.Concat(frames...))
			}
		}
		synctest.Test(t, func(t *testing.T) {
			rcv := fetchFrom(t, late(golden(t, "listing"), golden(t, "bye")))
			l, err := rcv.Listing(t.Context())
			if err != nil || len(l.Images) != 2 {
				t.Errorf("%s: %+v, %v", phase, l, err)
			}
			_ = rcv.Close(err)
		})
		synctest.Test(t, func(t *testing.T) {
			rcv := fetchFrom(t, late(golden(t, "error")))
			_, err := transfer.Copy(t.Context(), rcv, newSink(), transfer.Options{})
			wantErr(t, "receiver", err, transfer.KindRefused, true, "")
		})
	}
}

// list has a sender list what it offers, and returns what the receiver hears.
func list(t *testing.T, snd *wire.Sender, rcv *wire.Receiver) (*wire.Listing, error) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		err := snd.List(t.Context(), listing())
		_ = snd.Close(err)
		sent <- err
	}()
	l, err := rcv.Listing(t.Context())
	_ = rcv.Close(err)
	if serr := <-sent; serr != nil {
		t.Errorf("sender: %v", serr)
	}
	return l, err
}

func TestListing(t *testing.T) {
	checkLeaks(t)
	snd, rcv := fetch(t, wire.Request{List: true}, wire.StreamOptions{})
	if got, err := list(t, snd, rcv); err != nil || !reflect.DeepEqual(got, listing()) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestListingEverywhere cuts the line at every counted frame of a listing.
func TestListingEverywhere(t *testing.T) {
	checkLeaks(t)
	run := func(cuts ...cut) *lines {
		l := newLines(t, cuts...).dialedBy(receiverDials)
		l.inOpts = wire.StreamOptions{RetryFor: 10 * time.Second}
		out, in := l.open()
		served := make(chan *wire.Sender, 1)
		go func() {
			snd, err := l.sessions.Send(t.Context(), out, l.from, wire.Hello{}, l.inOpts)
			if err != nil {
				t.Error(err)
			}
			served <- snd
		}()
		rcv, err := wire.NewFetcher(t.Context(), in, wire.Hello{}, wire.Request{List: true}, wire.StreamOptions{RetryFor: 10 * time.Second, Redial: l.redial})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := list(t, <-served, rcv); err != nil || !reflect.DeepEqual(got, listing()) {
			t.Fatalf("cuts %+v: got %+v, %v", cuts, got, err)
		}
		l.wg.Wait()
		return l
	}
	whole := run()
	if got := string(whole.sent[fromSender]); got != string([]byte{tListing, tBye}) {
		t.Fatalf("the sender says %v", whole.sent)
	}
	for _, dir := range []direction{fromSender, fromReceiver} {
		for frames := range whole.passed[dir] {
			for _, bytes := range []int{0, 3} {
				run(cut{dir: dir, frames: frames, bytes: bytes})
			}
		}
	}
}

// TestListingIsCleaned checks that a received listing has no control characters.
func TestListingIsCleaned(t *testing.T) {
	checkLeaks(t)
	out, in := transfertest.TCP(t)
	said := `{"images":[{"id":"` + digest.FromString("a").String() + `","names":["a\u001b[2J:1\u202e","` + strings.Repeat("x", 600) +
		`"],"size":1,"platform":{"os":"\u0007","architecture":"` + strings.Repeat("y", 300) + `"}}]}`
	_, _ = out.Write(append(golden(t, "hello"), wireFrame{tListing, []byte(said)}.bytes()...))
	rcv, err := wire.NewFetcher(t.Context(), in, wire.Hello{}, wire.Request{List: true}, wire.StreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := rcv.Listing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := l.Images[0]
	if m.Names[0] != "a [2J:1 " || len(m.Names[1]) > 520 || m.Platform.OS != " " || len(m.Platform.Architecture) > 210 {
		t.Errorf("kept %+v", m)
	}
	_ = out.Close()
	_ = rcv.Close(nil)
}

// TestListingMistaken checks that an offer and a listing are not taken for one another.
func TestListingMistaken(t *testing.T) {
	checkLeaks(t)
	for name, c := range map[string]struct {
		frame string
		take  func(context.Context, *wire.Receiver) error
	}{
		"offer":           {"offer", func(ctx context.Context, r *wire.Receiver) error { _, err := r.Listing(ctx); return err }},
		"no listing":      {"bye", func(ctx context.Context, r *wire.Receiver) error { _, err := r.Listing(ctx); return err }},
		"listing":         {"listing", func(ctx context.Context, r *wire.Receiver) error { _, err := r.Next(ctx); return err }},
		"bad listing":     {"bad-listing-digest", func(ctx context.Context, r *wire.Receiver) error { _, err := r.Listing(ctx); return err }},
		"request":         {"want", func(ctx context.Context, r *wire.Receiver) error { _, err := r.Next(ctx); return err }},
		"a large listing": {"bad-listing-many", func(ctx context.Context, r *wire.Receiver) error { _, err := r.Listing(ctx); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			out, in := transfertest.TCP(t)
			_, _ = out.Write(append(golden(t, "hello"), golden(t, c.frame)...))
			rcv, err := wire.NewFetcher(t.Context(), in, wire.Hello{}, wire.Request{List: true}, wire.StreamOptions{})
			if err != nil {
				t.Fatal(err)
			}
			err = c.take(t.Context(), rcv)
			wantErr(t, "receiver", err, transfer.KindBroken, false, "")
			_ = out.Close()
			_ = rcv.Close(err)
		})
	}
}

// TestListingTooLong checks that a listing over its limits is not sent.
func TestListingTooLong(t *testing.T) {
	checkLeaks(t)
	snd, rcv := fetch(t, wire.Request{List: true}, wire.StreamOptions{})
	l := &wire.Listing{Images: slices.Repeat(listing().Images[:1], transfer.MaxImages+1)}
	wantErr(t, "sender", snd.List(t.Context(), l), transfer.KindUsage, false, "over the limit")
	closeBoth(snd, rcv)
}

// TestFetchFaces checks that a sender who is dialed by a sender, and a receiver by a
// receiver, end at once.
func TestFetchFaces(t *testing.T) {
	checkLeaks(t)
	t.Run("senders", func(t *testing.T) {
		a, b := transfertest.TCP(t)
		served := serve(t, a, wire.StreamOptions{})
		dialed, err := wire.NewSender(t.Context(), b, wire.Hello{}, wire.StreamOptions{})
		if err != nil {
			t.Fatal(err)
		}
		m := smallImage()
		src := newSource(m)
		copied := make(chan error, 1)
		go func() {
			_, err := transfer.Copy(t.Context(), src, dialed, transfer.Options{})
			copied <- err
		}()
		snd := <-served
		<-snd.Failed()
		wantErr(t, "who waits", snd.Err(), transfer.KindBroken, false, "does not come from a receiver")
		_ = snd.Close(snd.Err())
		wantErr(t, "who dials", <-copied, transfer.KindBroken, true, "does not come from a receiver")
	})
	t.Run("receivers", func(t *testing.T) {
		a, b := transfertest.TCP(t)
		received := make(chan *wire.Receiver, 1)
		go func() {
			rcv, err := wire.NewReceiver(t.Context(), a, wire.Hello{}, wire.StreamOptions{})
			if err != nil {
				t.Error(err)
			}
			received <- rcv
		}()
		// Either may notice first.
		dialed, err := wire.NewFetcher(t.Context(), b, wire.Hello{}, wire.Request{}, wire.StreamOptions{})
		if err == nil {
			_, err = dialed.Next(t.Context())
			_ = dialed.Close(err)
		}
		if transfer.KindOf(err) != transfer.KindBroken {
			t.Errorf("who dials: %v", err)
		}
		rcv := <-received
		<-rcv.Failed()
		if transfer.KindOf(rcv.Err()) != transfer.KindBroken {
			t.Errorf("who waits: %v", rcv.Err())
		}
		_ = rcv.Close(rcv.Err())
	})
}

// FuzzFetcher has a receiver that dials hear a sender, and ask for images or the listing.
func FuzzFetcher(f *testing.F) {
	said := joined(record(f, fuzzImage()).sent)
	f.Add(said, false)
	f.Add(said, true)
	for _, name := range []string{"listing", "listing-empty", "bad-listing-many", "want", "bye"} {
		f.Add(append(golden(f, "hello"), golden(f, name)...), true)
	}
	m := fuzzImage()
	f.Fuzz(func(t *testing.T, in []byte, list bool) {
		bounded(t, in, func(ctx context.Context) {
			rcv, err := wire.NewFetcher(ctx, newReplay(in), wire.Hello{}, wire.Request{List: list}, wire.StreamOptions{})
			if err != nil {
				return
			}
			if list {
				l, err := rcv.Listing(ctx)
				if err == nil && len(l.Images) > transfer.MaxImages {
					t.Errorf("%d images", len(l.Images))
				}
				_ = rcv.Close(err)
				return
			}
			dst := newSink()
			_, _ = transfer.Copy(ctx, rcv, dst, transfer.Options{})
			wantNoOther(t, dst, m)
		})
	})
}

// FuzzServer has a sender that was dialed hear a receiver.
func FuzzServer(f *testing.F) {
	heard := record(f, fuzzImage()).received
	for _, name := range []string{"want", "want-names", "want-list", "bad-want-many", "bad-want-control"} {
		f.Add(slices.Concat(heard[0].bytes(), golden(f, name), joined(heard[1:])))
		f.Add(slices.Concat(heard[0].bytes(), golden(f, name), golden(f, "bye")))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		bounded(t, in, func(ctx context.Context) {
			snd, err := new(wire.Sessions).Send(ctx, newReplay(in), "receiver", wire.Hello{}, wire.StreamOptions{})
			if err != nil {
				return
			}
			q, err := snd.Wants(ctx)
			if err != nil || q.List {
				if err == nil {
					err = snd.List(ctx, listing())
				}
				_ = snd.Close(err)
				return
			}
			for _, name := range q.Names {
				if name == "" || len(name) > 512 || bytes.ContainsFunc([]byte(name), func(r rune) bool { return r <= ' ' || r > '~' }) {
					t.Errorf("asked for %q", name)
				}
			}
			rep, err := transfer.Copy(ctx, newSource(fuzzImage()), snd, transfer.Options{})
			if err == nil && rep.Images != 1 && !rep.DryRun {
				t.Errorf("success without an image: %+v", rep)
			}
		})
	})
}
