package cli

import (
	"reflect"
	"slices"
	"strings"
)

// events are the objects that --json prints, as the manual page has them.
var events = []struct {
	name   string
	object any
	means  string
}{
	{"start", StartEvent{}, "the first one; version is that of the events"},
	{"listening", ListeningEvent{}, "imgrecv waits; once more with each new code"},
	{"connecting", ConnectingEvent{}, "imgsend dials an address, or asks the networks of interfaces"},
	{"connected", ConnectedEvent{}, "the other side has proved its peer ID; the rest is what it says of itself"},
	{"offer", OfferEvent{}, "another host offers images"},
	{"plan", PlanEvent{}, "what will be sent"},
	{"export", ExportEvent{}, "how an image leaves the engine"},
	{"progress", ProgressEvent{}, "about once a second; total is constant, or, for several platforms and where an engine does not know the sizes of its layers, an estimate that is corrected once, at the end"},
	{"line", LineEvent{}, "the line to the other side is lost, or there is another one"},
	{"retry", RetryEvent{}, "a transfer begins anew; kind is full (with every layer), wait (imgrecv waits for the sender) or anew (imgsend begins again, as imgrecv no longer knows the transfer)"},
	{"warning", WarningEvent{}, "what the user should know; code is a word for it, of those below"},
	{"image", ImageEvent{}, "an image has arrived and has its name"},
	{"done", DoneEvent{}, "the last one of a good transfer"},
	{"error", ErrorEvent{}, "the last one of a failed run; code is the exit status, kind the same in a word, side what failed: here, there, or line"},
	{"offered", OfferedEvent{}, "one image of imgrecv --list"},
	{"peer", PeerEvent{}, "one peer of --peers; this host is the first"},
}

// members lists the members of a JSON object but event, with their types; a ? marks those
// that may be absent.
func members(object any) []string {
	var out []string
	t := reflect.TypeOf(object)
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "event" {
			continue
		}
		if strings.Contains(options, "omitempty") {
			name += "?"
		}
		out = append(out, name+" ("+kind(t.Field(i).Type)+")")
	}
	return out
}

// kind returns what a Go type is in JSON.
func kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return kind(t.Elem())
	case reflect.Slice:
		return "list of " + kind(t.Elem()) + "s"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Struct:
		switch t.Name() {
		case "Time":
			return "time"
		case "ImagePlan":
			return "image"
		case "LayerPlan":
			return "layer"
		}
		return strings.ToLower(t.Name())
	}
	return "number"
}

// errorKinds returns the kinds of error events, each once.
func errorKinds() []string {
	var out []string
	for _, e := range exits {
		if e.kind != "" && !slices.Contains(out, e.kind) {
			out = append(out, e.kind)
		}
	}
	return out
}
