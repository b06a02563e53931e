package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ParsePlatform reads OS/ARCH[/VARIANT].
func ParsePlatform(s string) (ocispec.Platform, error) {
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return ocispec.Platform{}, fmt.Errorf("%q is not OS/ARCH or OS/ARCH/VARIANT, such as linux/arm64", s)
	}
	p := ocispec.Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, nil
}

// Short is the form of an image ID that people read.
func Short(d digest.Digest) string {
	if d.Validate() != nil {
		return d.String()
	}
	return d.Encoded()[:12]
}

// Title names an image for people: its names, or its short ID.
func Title(m *transfer.Image) string {
	if len(m.Refs) == 0 {
		return Short(m.ID)
	}
	return strings.Join(m.Refs, ", ")
}

// Titles names the images of an offer, the first few of them.
func Titles(o *transfer.Offer) string {
	const most = 4
	var names []string
	for i := range o.Images {
		if i == most {
			names = append(names, fmt.Sprintf("%d more", len(o.Images)-most))
			break
		}
		names = append(names, Title(&o.Images[i]))
	}
	return strings.Join(names, ", ")
}

// Count writes a number with its noun: "1 layer", "3 layers".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// PlanLines says in words what the plan is for each image. there is how the
// receiving side is called, "there" or "here"; verb what this side does, "send"
// or "receive".
func PlanLines(o *transfer.Offer, p *transfer.Plan, there, verb string) []string {
	var out []string
	counted := map[digest.Digest]bool{}
	for i, ip := range Plans(o, p) {
		m := &o.Images[i]
		switch p.Images[i].Status {
		case transfer.Whole:
			line := fmt.Sprintf("%s: already %s", Title(m), there)
			if len(m.Refs) > 0 {
				line += ", only to be named"
			}
			out = append(out, line)
		case transfer.Take:
			have, shared, bytes := 0, 0, int64(0)
			for j, l := range ip.Layers {
				switch {
				case l.Have:
					have++
				case counted[m.Layers[j].DiffID]:
					shared++
				default:
					counted[m.Layers[j].DiffID] = true
					bytes += l.Bytes
				}
			}
			line := fmt.Sprintf("%s: %s, %d already %s", Title(m), Count(len(m.Layers), "layer"), have, there)
			if shared > 0 {
				line += fmt.Sprintf(", %d shared with the above", shared)
			}
			out = append(out, fmt.Sprintf("%s, about %s to %s", line, Bytes(bytes), verb))
		}
	}
	return out
}

// Closing is the last line of a good transfer: "webapp:2.0 sent: 20.0 MB of
// 612 MB (592 MB already there), 9.1 MB on the wire, 0.9 s".
func Closing(what, verb, there string, d DoneEvent) string {
	total := d.Bytes + d.Skipped
	saved := ""
	if d.Skipped > 0 {
		saved = fmt.Sprintf(" (%s already %s)", Bytes(d.Skipped), there)
	}
	wire := ""
	if d.Wire > 0 { // else there was none
		wire = fmt.Sprintf(", %s on the wire", Bytes(d.Wire))
	}
	return fmt.Sprintf("%s %s: %s of %s%s%s, %s",
		what, verb, Bytes(d.Bytes), Bytes(total), saved, wire, Duration(durationOf(d.Seconds)))
}

// ForeignPlatforms says which images will not run on the receiving host as they
// are: those of another OS or architecture than its engine's.
func ForeignPlatforms(o *transfer.Offer, host, platform string) []string {
	var out []string
	want := strings.Split(platform, "/")
	for i := range o.Images {
		m := &o.Images[i]
		if len(want) < 2 || layout.PlatformText(m.Platform) == "" || layout.Matches(m.Platform, ocispec.Platform{OS: want[0], Architecture: want[1]}) {
			continue
		}
		out = append(out, fmt.Sprintf("%s is for %s, %s runs %s", Title(m), layout.PlatformText(m.Platform), host, platform))
	}
	return out
}
