package lan

import (
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// service is the DNS-SD service of hosts that listen.
	service = "_imgsend._tcp.local."

	// cacheFlush is the bit in a record's class that makes the record replace earlier ones of
	// its name. In a question the same bit asks for a unicast answer, which this package never
	// sends.
	cacheFlush = 1 << 15
)

// Limits on one message.
const (
	maxPacket    = 9000 // bytes, the largest that multicast DNS allows
	maxQuestions = 32
	maxRecords   = 64
)

// pack returns the message that announces r: a PTR record from the service to the instance, a
// TXT record, and for other programs SRV, A and AAAA records. This package reads only TXT
// records.
func (r record) pack() ([]byte, error) {
	serviceName, err := dnsmessage.NewName(service)
	if err != nil {
		return nil, err
	}
	instance, err := dnsmessage.NewName(r.label + "." + service)
	if err != nil {
		return nil, err
	}
	host, err := dnsmessage.NewName(r.label + ".local.")
	if err != nil {
		return nil, err
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{Response: true, Authoritative: true})
	b.EnableCompression()
	header := func(name dnsmessage.Name, flush dnsmessage.Class) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET | flush, TTL: uint32(r.ttl / time.Second)}
	}
	errs := []error{
		b.StartAnswers(),
		b.PTRResource(header(serviceName, 0), dnsmessage.PTRResource{PTR: instance}),
		b.SRVResource(header(instance, cacheFlush), dnsmessage.SRVResource{Port: r.port(), Target: host}),
		b.TXTResource(header(instance, cacheFlush), dnsmessage.TXTResource{TXT: r.txt()}),
	}
	for _, addr := range r.addrs {
		ip, ok := ipOf(addr)
		switch {
		case !ok:
		case ip.Is4():
			errs = append(errs, b.AResource(header(host, cacheFlush), dnsmessage.AResource{A: ip.As4()}))
		default:
			errs = append(errs, b.AAAAResource(header(host, cacheFlush), dnsmessage.AAAAResource{AAAA: ip.As16()}))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return b.Finish()
}

// port returns the port of the first address, or 0.
func (r record) port() uint16 {
	if len(r.addrs) == 0 {
		return 0
	}
	return portOf(r.addrs[0])
}

// parseRecords returns the announcements and goodbyes in a message. It leaves out records of
// other services and records that exceed the limits.
func parseRecords(packet []byte) []record {
	var p dnsmessage.Parser
	header, err := p.Start(packet)
	if err != nil || !header.Response || header.OpCode != 0 || header.RCode != 0 || p.SkipAllQuestions() != nil {
		return nil
	}
	var out []record
	read := 0
	section := func(next func() (dnsmessage.ResourceHeader, error), skip func() error) bool {
		for ; ; read++ {
			h, err := next()
			if errors.Is(err, dnsmessage.ErrSectionDone) {
				return true
			}
			if err != nil || read >= maxRecords {
				return false
			}
			label, ours := cutService(h.Name)
			if h.Type != dnsmessage.TypeTXT || h.Class&^cacheFlush != dnsmessage.ClassINET || !ours {
				if skip() != nil {
					return false
				}
				continue
			}
			body, err := p.TXTResource()
			if err != nil {
				return false
			}
			r, err := parseTXT(body.TXT)
			if err != nil || (h.TTL > 0 && len(r.addrs) == 0) {
				continue
			}
			r.label = label
			r.ttl = min(time.Duration(h.TTL)*time.Second, recordTTL)
			out = append(out, r)
		}
	}
	if section(p.AnswerHeader, p.SkipAnswer) && p.SkipAllAuthorities() == nil {
		section(p.AdditionalHeader, p.SkipAdditional)
	}
	return out
}

// cutService returns the label before the service in name, or false if name is not an instance
// of the service.
func cutService(name dnsmessage.Name) (string, bool) {
	label, ours := strings.CutSuffix(strings.ToLower(name.String()), "."+service)
	return label, ours && isLabel(label)
}

// packQuestion returns the message that asks which hosts listen.
func packQuestion() ([]byte, error) {
	name, err := dnsmessage.NewName(service)
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}}}
	return m.Pack()
}

// asksFor reports whether a message asks for the announcement with this label and does not
// contain it as a known answer.
func asksFor(packet []byte, label string) bool {
	var p dnsmessage.Parser
	header, err := p.Start(packet)
	if err != nil || header.Response || header.OpCode != 0 || header.RCode != 0 {
		return false
	}
	var anyone, this bool
	for range maxQuestions {
		q, err := p.Question()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		if err != nil {
			return false
		}
		if class := q.Class &^ cacheFlush; class != dnsmessage.ClassINET && class != dnsmessage.ClassANY {
			continue
		}
		of := func(types ...dnsmessage.Type) bool {
			return q.Type == dnsmessage.TypeALL || slices.Contains(types, q.Type)
		}
		switch strings.ToLower(q.Name.String()) {
		case service:
			anyone = anyone || of(dnsmessage.TypePTR)
		case label + "." + service:
			this = this || of(dnsmessage.TypeSRV, dnsmessage.TypeTXT)
		case label + ".local.":
			this = this || of(dnsmessage.TypeA, dnsmessage.TypeAAAA)
		}
	}
	return this || anyone && !knows(&p, label)
}

// knows reports whether the known answers in the message of p contain the announcement with
// this label, with at least half of its TTL left.
func knows(p *dnsmessage.Parser, label string) bool {
	if p.SkipAllQuestions() != nil {
		return false
	}
	for range maxRecords {
		h, err := p.AnswerHeader()
		if err != nil {
			return false
		}
		if h.Type != dnsmessage.TypePTR || !strings.EqualFold(h.Name.String(), service) {
			if p.SkipAnswer() != nil {
				return false
			}
			continue
		}
		body, err := p.PTRResource()
		if err != nil {
			return false
		}
		if strings.EqualFold(body.PTR.String(), label+"."+service) && time.Duration(h.TTL)*time.Second >= recordTTL/2 {
			return true
		}
	}
	return false
}
