package transfer

import (
	"cmp"
	"context"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Source gives images, in one or more rounds. A round calls Next, Export and Settle once
// each, in this order; after a failure only Close follows.
type Source interface {
	// Next returns the images that are still to be copied, or io.EOF if there are none.
	Next(ctx context.Context) (*Offer, error)
	// Export puts every blob of the images to [Take] into w, except the layers that the
	// sink has according to the plan. It puts one blob at a time, in any order, and does
	// not return during a Put. For a dry run it puts none and returns an empty index.
	Export(ctx context.Context, o *Offer, p *Plan, w BlobWriter) (*Index, error)
	// Settle tells the source how the round ended.
	Settle(ctx context.Context, out *Outcome) error
	// Close ends the copy. err is why the copy failed, nil if it did not. Close may take
	// a few seconds to tell the other side.
	Close(err error) error
}

// A Sink receives images. A round calls Plan, Put any number of times, and Commit; after a
// failure only Close follows.
type Sink interface {
	// Plan reports which offered images and layers the sink has. The sink keeps them
	// until Commit or Close.
	Plan(ctx context.Context, o *Offer) (*Plan, error)
	BlobWriter
	// Commit makes images of the blobs that were put, verifies them, and only
	// then gives them their names: all or none. When it fails nothing has a new
	// name, except for names that could not be taken back: then it returns an
	// outcome, too, which lists those.
	Commit(ctx context.Context, x *Index) (*Outcome, error)
	// Close ends the copy and removes what an unfinished round left. err is why the copy
	// failed, nil if it did not.
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

// Options are the settings and the callbacks of [Copy]. Callbacks run on Copy's goroutine.
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

	// MaxSize, if not nil, returns how many bytes of blobs may be copied in all; 0 is no
	// limit. It is called once, before any blob is copied. A larger transfer is refused at
	// once if the offer has the sizes, else before the blob that exceeds the limit.
	MaxSize func(context.Context) (int64, error)

	// PatientSink sets no limit for the time that the sink takes: it is a pipe to
	// another program of the user.
	PatientSink bool
}

// A Report is the result of a finished [Copy].
type Report struct {
	Images  int   // arrived images
	Bytes   int64 // of blobs that went through, before compression
	Skipped int64 // of layers that were already there; an estimate for whole images
	DryRun  bool  // nothing was copied, the source or the sink wanted a plan only
	// Untold is why the source may not know that everything arrived; nil if it knows.
	Untold error
}

// Copy copies every image of src to dst. It verifies the size and the digest of each blob,
// and that every layer that the plan needs was copied. Copy always closes both ends. It
// ends the copy when one of them makes no progress for longer than opts.Patience: it
// cancels the context that it has passed to their methods, which must then return.
//
// Once every image of an offer has arrived the copy has succeeded. If the source
// cannot be told, the report says so in Untold, and Copy returns no error.
//
// Copy returns errors of either end unchanged; [Error] tells on which side they occurred.
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
