package transfer

import (
	"cmp"
	"context"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Source has images to give, in one or more rounds. A round is Next, Export,
// Settle, in this order, each called once; after a failure only Close follows.
type Source interface {
	// Next returns what is still to be copied, or io.EOF when that is nothing.
	Next(ctx context.Context) (*Offer, error)
	// Export tells the source the sink's plan for the offer and puts every
	// blob of the images to [Take] into w, but for the layers that the plan
	// has. It puts one blob at a time, in any order, and does not return while a
	// Put is under way. If the offer was a dry
	// run it puts none and returns an empty index.
	Export(ctx context.Context, o *Offer, p *Plan, w BlobWriter) (*Index, error)
	// Settle tells the source how the round ended.
	Settle(ctx context.Context, out *Outcome) error
	// Close ends the copy. err is why it failed, nil if it did not; it has the
	// time that it takes to tell the other side, a few seconds at most.
	Close(err error) error
}

// A Sink takes images in. A round is Plan, any number of Puts, Commit; after a
// failure only Close follows.
type Sink interface {
	// Plan says what of the offer the sink has. What it has it keeps until
	// Commit or Close.
	Plan(ctx context.Context, o *Offer) (*Plan, error)
	BlobWriter
	// Commit makes images of the blobs that were put, verifies them, and only
	// then gives them their names: all or none. When it fails nothing has a new
	// name, except for names that could not be taken back: then it returns an
	// outcome, too, which lists those.
	Commit(ctx context.Context, x *Index) (*Outcome, error)
	// Close ends the copy, removing what an unfinished round left. err is why
	// it failed, nil if it did not.
	Close(err error) error
}

// A BlobWriter takes one blob.
type BlobWriter interface {
	// Put reads r to its io.EOF. A read error means that the blob is not what
	// desc says; it must not be used.
	Put(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error
}

// A StoredBlob is a reader that a [Source] may put, of a blob in an engine of this
// host. Damaged returns the error for a blob that does not have its digest: the
// engine would give the same again. Without it the error is of [KindBroken].
type StoredBlob interface{ Damaged() error }

// Options are what the caller of [Copy] wants to know and to decide. Callbacks
// run on Copy's goroutine.
type Options struct {
	Progress *Progress                           // counted into, if not nil
	DryRun   bool                                // stop after the plan
	Patience Patience                            // with ends that make no progress
	Accept   func(context.Context, *Offer) error // asked before the first plan; its error refuses
	OnPlan   func(*Offer, *Plan)                 // a plan was made
	OnRetry  func(reason string)                 // the round is repeated with every layer
	// OnArrival is called for each image that arrived, verified and named, before
	// the source is told, and also when a commit failed and could not take its
	// names back.
	OnArrival func(m *Image, a Arrival, whole bool)

	// MaxSize, if not nil, returns how many bytes of blobs may be copied in all;
	// 0 is no limit. It is asked once, before anything moves: more than that is
	// refused, at once where the offer tells, else before the blob that is too
	// much.
	MaxSize func(context.Context) (int64, error)

	// PatientSink lets the sink take what is put in its own time: it is a pipe
	// to another program of the user.
	PatientSink bool
}

// A Report says what a finished [Copy] did.
type Report struct {
	Images  int   // arrived images
	Bytes   int64 // of blobs that went through, before compression
	Skipped int64 // of layers that were already there; an estimate for whole images
	DryRun  bool  // nothing was copied, the source or the sink wanted a plan only
	// Untold is why the source may not have heard that everything arrived; nil if
	// it has.
	Untold error
}

// Copy copies every image of src to dst. Each blob's size and digest are
// checked on the way, and that every layer the plan needs went by. Copy closes
// both ends, whatever happens. It ends the copy when one of them makes no
// progress for longer than opts.Patience; then its ctx ends, which every method
// of a [Source] or a [Sink] must heed.
//
// Once every image of an offer has arrived the copy has succeeded. If the source
// cannot be told, the report says so in Untold, and Copy returns no error.
//
// Errors of either end come back as they are; see [Error] for whose they are.
func Copy(ctx context.Context, src Source, dst Sink, opts Options) (rep *Report, err error) {
	if opts.Progress == nil {
		opts.Progress = new(Progress)
	}
	dog := watch(ctx, src, dst, opts)
	ctx = dog.ctx
	c := &copier{src: src, dst: dst, opts: opts, dog: dog, report: new(Report)}
	c.loaded.prog = opts.Progress
	if l, ok := dst.(Loader); ok {
		l.ReportTo(c.loaded.report)
	}
	defer func() {
		err = dog.stop(err)
		if c.arrived {
			c.report.Untold, err = err, nil
		}
		// The sink first: a receiving engine has dropped its load before the
		// other side hears that it failed.
		dstErr := dst.Close(err)
		if err == nil {
			err = dstErr
		}
		err = withKept(err, dst)
		srcErr := src.Close(cmp.Or(err, c.report.Untold))
		if err == nil {
			err = srcErr
		}
	}()
	for first := true; ; first = false {
		opts.Progress.Enter(Describing)
		dog.begin(owesOffer)
		offer, err := src.Next(ctx)
		if err == io.EOF {
			return c.report, nil
		}
		if err != nil {
			return c.report, err
		}
		c.arrived = false
		dog.begin(nobody)
		if err := c.goesOn(offer); err != nil {
			return c.report, err
		}
		if first && opts.Accept != nil {
			opts.Progress.Enter(Deciding)
			if err := opts.Accept(ctx, offer); err != nil {
				return c.report, refusal(err)
			}
		}
		if err := c.round(ctx, offer); err != nil || c.report.DryRun {
			return c.report, err
		}
	}
}

// refusal returns err as an [Error], a refusal unless it says what it is.
func refusal(err error) error {
	if KindOf(err) == KindOther {
		return &Error{Kind: KindRefused, Err: err}
	}
	return err
}
