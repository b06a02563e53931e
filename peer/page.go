package peer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	ma "github.com/multiformats/go-multiaddr"
)

const (
	// pageHeader is the first line of a new peers file.
	pageHeader = "# hosts that are known here: NAME ID LAST-SEEN ADDRESSES, and what they may do here if not just send: may=fetch, may=send,fetch, may=-"

	// maxLine is the greatest length of a line that is parsed, in bytes. A longer line is
	// damaged.
	maxLine = 4096

	// pageFields is the number of required fields of a line. The rights follow them.
	pageFields = 4

	noField = "-"
)

// page is the text of a peers file.
type page struct{ lines []*line }

// line is one line of a page.
type line struct {
	text    string // as read, without newline
	peer    *Peer  // nil for comments and damaged lines
	extra   string // text after the known fields
	err     error  // why the line is damaged
	changed bool   // peer was changed and text was not
}

// parsePage parses a file. It keeps all lines, including comments and damaged ones.
func parsePage(text string) *page {
	p := &page{}
	if text == "" {
		return p
	}
	ids, names := map[ID]bool{}, map[string]bool{}
	for text := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		l := parseLine(text)
		if l.peer != nil {
			switch {
			case ids[l.peer.ID]:
				l.peer, l.err = nil, fmt.Errorf("the ID of %q is already in a line above", l.peer.Name)
			case names[l.peer.Name]:
				l.peer, l.err = nil, fmt.Errorf("the name %q is already in a line above", l.peer.Name)
			default:
				ids[l.peer.ID], names[l.peer.Name] = true, true
			}
		}
		p.lines = append(p.lines, l)
	}
	return p
}

func parseLine(text string) *line {
	l := &line{text: text}
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || trimmed[0] == '#' {
		return l
	}
	if len(text) > maxLine {
		l.err = fmt.Errorf("it is longer than %d bytes", maxLine)
		return l
	}
	fields, extra := cutFields(trimmed)
	peer, err := parsePeer(fields)
	if err == nil {
		peer.Rights, l.extra, err = cutRights(extra)
	}
	if err != nil {
		l.err = err
		return l
	}
	l.peer = peer
	return l
}

// cutFields returns the required fields and the rest of the text.
func cutFields(text string) (fields []string, rest string) {
	for len(fields) < pageFields && text != "" {
		end := strings.IndexAny(text, " \t")
		if end < 0 {
			end = len(text)
		}
		fields = append(fields, text[:end])
		text = strings.TrimLeft(text[end:], " \t")
	}
	return fields, text
}

func parsePeer(fields []string) (*Peer, error) {
	if len(fields) < pageFields {
		return nil, fmt.Errorf("it has %d fields and not %d", len(fields), pageFields)
	}
	peer := &Peer{Name: strings.ToLower(fields[0])}
	if err := CheckName(peer.Name); err != nil {
		return nil, err
	}
	var err error
	if peer.ID, err = ParseID(fields[1]); err != nil {
		return nil, errors.New(oneLine(err))
	}
	if fields[2] != noField {
		if peer.Seen, err = time.Parse(time.RFC3339, fields[2]); err != nil {
			return nil, fmt.Errorf("%q is no time of the form 2006-01-02T15:04:05Z", fields[2])
		}
	}
	if fields[3] == noField {
		return peer, nil
	}
	for text := range strings.SplitSeq(fields[3], ",") {
		addr, err := ma.NewMultiaddr(text)
		if err == nil {
			err = checkAddr(addr)
		}
		if err != nil {
			return nil, fmt.Errorf("%q is no address: %s", text, oneLine(err))
		}
		peer.Addrs = append(peer.Addrs, addr)
	}
	return peer, nil
}

// String returns the text of the file.
func (p *page) String() string {
	var out strings.Builder
	for _, l := range p.lines {
		out.WriteString(l.String())
		out.WriteByte('\n')
	}
	return out.String()
}

func (l *line) String() string {
	if !l.changed {
		return l.text
	}
	seen, addrs := noField, noField
	// RFC 3339 has years from 0 to 9999 only.
	if t := l.peer.Seen.UTC(); !t.IsZero() && t.Year() >= 0 && t.Year() <= 9999 {
		seen = t.Format(time.RFC3339)
	}
	if len(l.peer.Addrs) > 0 {
		var texts []string
		for _, addr := range l.peer.Addrs {
			texts = append(texts, addr.String())
		}
		addrs = strings.Join(texts, ",")
	}
	fields := []string{l.peer.Name, l.peer.ID.String(), seen, addrs}
	if l.peer.Rights != MaySend {
		fields = append(fields, rightsField+l.peer.Rights.String())
	}
	return strings.TrimSpace(strings.Join(append(fields, l.extra), " "))
}

func (p *page) peers() []Peer {
	var out []Peer
	for _, l := range p.lines {
		if l.peer != nil {
			out = append(out, *l.peer)
		}
	}
	return out
}

func (p *page) damage() []Damage {
	var out []Damage
	for i, l := range p.lines {
		if l.err != nil {
			out = append(out, Damage{Line: i + 1, Err: l.err})
		}
	}
	return out
}

func (p *page) byID(id ID) *line {
	for _, l := range p.lines {
		if l.peer != nil && l.peer.ID == id {
			return l
		}
	}
	return nil
}

func (p *page) byName(name string) *line {
	for _, l := range p.lines {
		if l.peer != nil && l.peer.Name == name {
			return l
		}
	}
	return nil
}

// nameTaken reports whether a line has that name. It includes damaged lines, whose names must
// not collide after a repair.
func (p *page) nameTaken(name string) bool {
	return slices.ContainsFunc(p.lines, func(l *line) bool { return l.name() == name })
}

// name returns the name in a line, even if the line is damaged.
func (l *line) name() string {
	if l.peer != nil {
		return l.peer.Name
	}
	if l.err == nil {
		return ""
	}
	fields, _ := cutFields(strings.TrimSpace(l.text))
	return strings.ToLower(fields[0])
}

// mentions reports whether a line has that ID, even if the line is damaged.
func (l *line) mentions(id ID) bool {
	if l.peer != nil {
		return l.peer.ID == id
	}
	fields, _ := cutFields(strings.TrimSpace(l.text))
	if l.err == nil || len(fields) < 2 {
		return false
	}
	other, err := ParseID(fields[1])
	return err == nil && other == id
}

func (p *page) add(peer Peer) {
	if len(p.lines) == 0 {
		p.lines = append(p.lines, &line{text: pageHeader})
	}
	p.lines = append(p.lines, &line{peer: &peer, changed: true})
}

// remove removes all lines with that name and all lines with an ID of one of them. It reports
// whether it removed a line.
func (p *page) remove(name string) bool {
	var ids []ID
	for _, l := range p.lines {
		if l.name() == name && l.peer != nil {
			ids = append(ids, l.peer.ID)
		}
	}
	before := len(p.lines)
	p.lines = slices.DeleteFunc(p.lines, func(l *line) bool {
		return name != "" && l.name() == name || slices.ContainsFunc(ids, l.mentions)
	})
	return len(p.lines) < before
}
