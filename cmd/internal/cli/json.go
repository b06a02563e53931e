package cli

import (
	"reflect"
	"time"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
	ma "github.com/multiformats/go-multiaddr"
)

// EventVersion is the version of the objects that --json prints. Events, members and words are
// added within a version. It changes when one is removed or means something else.
const EventVersion = 1

// The JSON objects that --json prints, one a line. Sizes are bytes. From is the peer ID of
// the sender that imgrecv speaks of, which may have several; imgsend has none.
type (
	// StartEvent is the first event of each run.
	StartEvent struct {
		Event   string `json:"event"` // "start"
		Version int    `json:"version"`
		Program string `json:"program"`
		Release string `json:"release"`
	}
	// ListeningEvent says where imgrecv waits; once more with each new code.
	ListeningEvent struct {
		Event string   `json:"event"` // "listening"
		Addrs []string `json:"addrs"`
		ID    string   `json:"id"`
		Name  string   `json:"name"`
		Code  string   `json:"code,omitempty"` // for a host that is not known here
	}
	// ConnectingEvent says what imgsend tries to find and reach the other host: an address
	// that it dials, or interfaces whose networks it asks.
	ConnectingEvent struct {
		Event string   `json:"event"`          // "connecting"
		To    string   `json:"to,omitempty"`   // the name of a saved peer, or the number of a code; of several receivers, as --to names it
		Addr  string   `json:"addr,omitempty"` // a multiaddr
		On    []string `json:"on,omitempty"`   // network interfaces
	}
	// ConnectedEvent says who the other side is. Its peer ID is proved, and all else is what
	// it says of itself.
	ConnectedEvent struct {
		Event    string   `json:"event"`        // "connected"
		To       string   `json:"to,omitempty"` // of several receivers, as --to names it
		Peer     string   `json:"peer"`         // peer ID
		Addr     string   `json:"addr"`         // a multiaddr
		Host     string   `json:"host,omitempty"`
		Program  string   `json:"program"`
		Engine   string   `json:"engine,omitempty"`
		Platform string   `json:"platform,omitempty"` // of the engine's host
		Features []string `json:"features"`
	}
	// OfferEvent says who offers what.
	OfferEvent struct {
		Event  string      `json:"event"` // "offer"
		From   string      `json:"from"`  // peer ID
		Host   string      `json:"host,omitempty"`
		Images []ImagePlan `json:"images"`
	}
	// PlanEvent says what will be sent.
	PlanEvent struct {
		Event  string      `json:"event"`        // "plan"
		To     string      `json:"to,omitempty"` // of several receivers, as --to names it
		From   string      `json:"from,omitempty"`
		Images []ImagePlan `json:"images"`
	}
	// ExportEvent says how an image leaves the engine.
	ExportEvent struct {
		Event    string `json:"event"` // "export"
		Image    string `json:"image"`
		Exporter string `json:"exporter"` // "push" or "save"
		Why      string `json:"why"`
	}
	// ImagePlan is one image of an offer or a plan.
	ImagePlan struct {
		Ref       string      `json:"ref,omitempty"` // the first name
		ID        string      `json:"id"`
		Platform  string      `json:"platform"`
		Status    string      `json:"status,omitempty"` // "whole", "take"
		Layers    []LayerPlan `json:"layers"`
		Bytes     int64       `json:"bytes"`
		HaveBytes int64       `json:"have_bytes"`
	}
	// LayerPlan is one layer, the bottom one first.
	LayerPlan struct {
		DiffID string `json:"diff_id"`
		Digest string `json:"digest,omitempty"`
		Bytes  int64  `json:"bytes"`
		Have   bool   `json:"have"`
	}
	// ProgressEvent comes about once a second.
	ProgressEvent struct {
		Event string `json:"event"`        // "progress"
		To    string `json:"to,omitempty"` // of several receivers, as --to names it
		From  string `json:"from,omitempty"`
		Phase string `json:"phase"`
		Image string `json:"image,omitempty"` // whose layers are copied
		// Done and Total are bytes of layers. Total is constant if the sizes in the offer are
		// exact; else it is an estimate, which is corrected once, at the end.
		Done  int64  `json:"done"`
		Total int64  `json:"total"`
		Wire  int64  `json:"wire"`           // bytes sent and received over the network
		Rate  *int64 `json:"rate,omitempty"` // of done, in bytes a second
		// Loaded is how far the receiving engine has loaded the layers that it did not
		// have, once that is known.
		Loaded *transfer.Loaded `json:"loaded,omitempty"`
	}
	// ImageEvent says that an image arrived.
	ImageEvent struct {
		Event    string `json:"event"`        // "image"
		To       string `json:"to,omitempty"` // of several receivers, as --to names it
		From     string `json:"from,omitempty"`
		Ref      string `json:"ref,omitempty"`
		ID       string `json:"id"` // at the receiver
		Verified bool   `json:"verified"`
		Whole    bool   `json:"whole"` // it was there already
		Replaced string `json:"replaced,omitempty"`
	}
	// DoneEvent is the last one of a good transfer.
	DoneEvent struct {
		Event   string  `json:"event"`        // "done"
		To      string  `json:"to,omitempty"` // of several receivers, as --to names it
		From    string  `json:"from,omitempty"`
		Bytes   int64   `json:"bytes"`
		Skipped int64   `json:"skipped"`
		Wire    int64   `json:"wire"`
		Seconds float64 `json:"seconds"`
		DryRun  bool    `json:"dry_run,omitempty"`
		// Untold is why the sender could not be told that everything arrived.
		Untold string `json:"untold,omitempty"`
	}
	// LineEvent says that the line to the other side is lost, or that there is another
	// one and the transfer goes on.
	LineEvent struct {
		Event   string  `json:"event"`        // "line"
		To      string  `json:"to,omitempty"` // of several receivers, as --to names it
		From    string  `json:"from,omitempty"`
		Lost    bool    `json:"lost"`
		Message string  `json:"message,omitempty"` // why it is lost
		Seconds float64 `json:"seconds"`           // for how long another one is tried at most, or was
	}
	// RetryEvent says that a transfer begins anew.
	RetryEvent struct {
		Event   string  `json:"event"`        // "retry"
		To      string  `json:"to,omitempty"` // of several receivers, as --to names it
		From    string  `json:"from,omitempty"`
		Kind    string  `json:"kind"` // RetryFull, RetryWait or RetryAnew
		Message string  `json:"message"`
		Seconds float64 `json:"seconds,omitempty"` // for how long the sender is waited for at most
	}
	// WarningEvent says what the user should know, and what does not end the run.
	WarningEvent struct {
		Event   string `json:"event"`        // "warning"
		To      string `json:"to,omitempty"` // of several receivers, as --to names it
		From    string `json:"from,omitempty"`
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	// ErrorEvent is the last one of a failed run.
	ErrorEvent struct {
		Event   string `json:"event"`        // "error"
		To      string `json:"to,omitempty"` // of several receivers, as --to names it
		Code    int    `json:"code"`         // the exit status
		Kind    string `json:"kind"`         // the same in a word
		Side    string `json:"side"`         // what failed: SideHere, SideThere or SideLine
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
		// Kept is what the receiving engine keeps for the next try.
		Kept *transfer.Kept `json:"kept,omitempty"`
	}
)

// The kinds of retry.
const (
	RetryFull = "full" // with every layer, as the receiver lacks one that it seemed to have
	RetryWait = "wait" // imgrecv waits for the sender to begin anew
	RetryAnew = "anew" // imgsend begins again, as imgrecv no longer knows the transfer
)

// The sides on which an error can occur.
const (
	SideHere  = "here"  // this program, its engine or its user
	SideThere = "there" // the other host
	SideLine  = "line"  // what is between the two hosts
)

// addressed returns an event of one of several receivers.
func addressed(e any, to string) any {
	out := reflect.New(reflect.TypeOf(e)).Elem()
	out.Set(reflect.ValueOf(e))
	if f := out.FieldByName("To"); f.IsValid() {
		f.SetString(to)
	}
	return out.Interface()
}

// Plans describes offered images, with what the plan says of them if p is not
// nil.
func Plans(o *transfer.Offer, p *transfer.Plan) []ImagePlan {
	out := make([]ImagePlan, len(o.Images))
	for i := range o.Images {
		m := &o.Images[i]
		ip := ImagePlan{ID: m.ID.String(), Platform: layout.PlatformText(m.Platform), Layers: []LayerPlan{}, Bytes: m.Size()}
		if len(m.Refs) > 0 {
			ip.Ref = m.Refs[0]
		}
		whole := false
		if p != nil {
			ip.Status = string(p.Images[i].Status)
			whole = p.Images[i].Status == transfer.Whole
		}
		for j, l := range m.Layers {
			have := whole || p != nil && j < len(p.Images[i].Have) && p.Images[i].Have[j]
			if have {
				ip.HaveBytes += l.Size
			}
			ip.Layers = append(ip.Layers, LayerPlan{DiffID: l.DiffID.String(), Digest: l.Digest.String(), Bytes: l.Size, Have: have})
		}
		out[i] = ip
	}
	return out
}

// Done returns the closing event of a transfer.
func Done(r *transfer.Report, wire int64, took time.Duration) DoneEvent {
	done := DoneEvent{Event: "done", Bytes: r.Bytes, Skipped: r.Skipped, Wire: wire, Seconds: took.Seconds(), DryRun: r.DryRun}
	if r.Untold != nil {
		done.Untold = r.Untold.Error()
	}
	return done
}

// Connected describes the other side of a connection.
func Connected(id peer.ID, at ma.Multiaddr, h wire.Hello) ConnectedEvent {
	return ConnectedEvent{Event: "connected", Peer: id.String(), Addr: at.String(), Host: h.Host, Program: h.Program,
		Engine: h.Engine, Platform: h.Platform, Features: append([]string{}, h.Features...)}
}

// OfferedEvent is one image that another host offers.
type OfferedEvent struct {
	Event    string     `json:"event"` // "offered"
	ID       string     `json:"id"`
	Names    []string   `json:"names"`
	Bytes    int64      `json:"bytes"`
	Platform string     `json:"platform"`
	Created  *time.Time `json:"created,omitempty"`
}
