package peer

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"golang.org/x/net/dns/dnsmessage"
)

const (
	// service is what a waiting host is announced as.
	service = "_imgsend._tcp.local."

	// recordVersion is the version of the TXT record. Records of another one
	// are not read.
	recordVersion = "1"

	// recordTTL is for how long an announcement holds if nothing more is heard.
	recordTTL = 2 * time.Minute

	// cacheFlush is the bit of the class that says: this replaces what was
	// said about the name before. In a question it asks for a unicast answer,
	// which is never given.
	cacheFlush = 1 << 15
)

// Limits on what the record of another host may hold. Whatever is beyond them
// is not read at all, except for addresses, of which the first ones count.
const (
	maxPacket    = 9000 // bytes, the largest that multicast DNS allows
	maxQuestions = 32
	maxRecords   = 64 // of one packet
	maxStrings   = 32 // of one TXT record
	maxIDText    = 64 // bytes
	maxAddrText  = 96 // bytes
	maxAddrs     = 8

	// MaxNameLen bounds the display name in an [Announcement], in bytes.
	MaxNameLen = 63
	// MaxNameplateLen bounds the nameplate in an [Announcement], in digits.
	MaxNameplateLen = 9
)

// record is what is said about one waiting host on one link. From the
// network, it is a claim.
type record struct {
	label     string // of this announcement, the same on all links
	id        ID
	name      string
	nameplate string
	addrs     []ma.Multiaddr // without the ID
	ttl       time.Duration  // 0 takes the announcement back
}

// checkName reports why name cannot be shown to people as the name of a host.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > MaxNameLen:
		return fmt.Errorf("the name is longer than %d bytes", MaxNameLen)
	case !utf8.ValidString(name), strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("the name holds characters that cannot be printed")
	case strings.TrimSpace(name) != name:
		return errors.New("the name starts or ends with a space")
	}
	return nil
}

// checkNameplate lets nothing but the number of a code through: its words
// cannot get into an announcement.
func checkNameplate(nameplate string) error {
	if len(nameplate) > MaxNameplateLen || strings.Trim(nameplate, "0123456789") != "" {
		return fmt.Errorf("a nameplate is a number of at most %d digits", MaxNameplateLen)
	}
	return nil
}

// checkLabel accepts what can be a label of a host name.
func checkLabel(label string) error {
	if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) {
		return errors.New("not a label")
	}
	return nil
}

// parseRecordID accepts the usual text of the ID of an Ed25519 key.
func parseRecordID(text string) (ID, error) {
	if len(text) > maxIDText {
		return "", errors.New("the peer ID is too long")
	}
	id, err := lpeer.Decode(text)
	if err != nil || id.String() != text {
		return "", errors.New("not a peer ID")
	}
	if _, err := id.ExtractPublicKey(); err != nil {
		return "", errors.New("the peer ID holds no key")
	}
	return id, nil
}

// parseRecordAddr accepts what [Dial] can dial, and only unicast addresses.
func parseRecordAddr(id ID, text string) (ma.Multiaddr, error) {
	if len(text) > maxAddrText || !strings.HasPrefix(text, "/ip") {
		return nil, errors.New("not an address")
	}
	addr, err := ma.NewMultiaddr(text)
	if err != nil {
		return nil, errors.New("not an address")
	}
	if err := (Target{ID: id, Addr: addr}).check(); err != nil {
		return nil, err
	}
	ip, ok := ipOf(addr)
	if !ok || ip.Is4In6() || (!ip.IsGlobalUnicast() && !ip.IsLinkLocalUnicast()) {
		return nil, errors.New("not a unicast address")
	}
	return addr, nil
}

// ipOf returns the IP address that addr starts with.
func ipOf(addr ma.Multiaddr) (netip.Addr, bool) {
	ip, err := manet.ToIP(addr)
	if err != nil {
		return netip.Addr{}, false
	}
	parsed, ok := netip.AddrFromSlice(ip)
	if ok && len(addr) > 0 && addr[0].Protocol().Code == ma.P_IP4 {
		parsed = parsed.Unmap()
	}
	return parsed, ok
}

// txt returns the strings of the TXT record.
func (r record) txt() []string {
	out := []string{"txtvers=" + recordVersion, "id=" + r.id.String(), "name=" + r.name}
	if r.nameplate != "" {
		out = append(out, "code="+r.nameplate)
	}
	// A key counts once, so each address has its own.
	for i, addr := range r.addrs {
		out = append(out, fmt.Sprintf("addr%d=%s", i, addr))
	}
	return out
}

// parseTXT is the inverse of txt. It refuses a record as a whole if anything
// but an address is wrong in it.
func parseTXT(texts []string) (record, error) {
	if len(texts) > maxStrings {
		return record{}, errors.New("too many strings")
	}
	values := map[string]string{}
	for _, text := range texts {
		key, value, _ := strings.Cut(text, "=")
		key = strings.ToLower(key)
		if _, twice := values[key]; !twice {
			values[key] = value
		}
	}
	if values["txtvers"] != recordVersion {
		return record{}, errors.New("another version")
	}
	id, err := parseRecordID(values["id"])
	if err != nil {
		return record{}, err
	}
	r := record{id: id, name: values["name"], nameplate: values["code"]}
	if err := errors.Join(checkName(r.name), checkNameplate(r.nameplate)); err != nil {
		return record{}, err
	}
	for i := range maxAddrs {
		addr, err := parseRecordAddr(id, values[fmt.Sprintf("addr%d", i)])
		if err == nil && !slices.ContainsFunc(r.addrs, addr.Equal) {
			r.addrs = append(r.addrs, addr)
		}
	}
	return r, nil
}

// pack returns the message that says r: a pointer from the service to the
// instance, and, for programs other than ours, its port and its addresses as
// usual. Ours read the TXT record alone.
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

// port returns the port of the first address.
func (r record) port() uint16 {
	if len(r.addrs) == 0 {
		return 0
	}
	text, err := r.addrs[0].ValueForProtocol(ma.P_TCP)
	if err != nil {
		return 0
	}
	ap, err := netip.ParseAddrPort("0.0.0.0:" + text)
	if err != nil {
		return 0
	}
	return ap.Port()
}

// parseRecords returns the waiting hosts that a message announces or takes
// back. What is not of our service, or not within the limits, is left out.
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

// cutService returns the label that name has before the service.
func cutService(name dnsmessage.Name) (string, bool) {
	label, ours := strings.CutSuffix(strings.ToLower(name.String()), "."+service)
	return label, ours && checkLabel(label) == nil
}

// packQuestion returns the message that asks who is waiting.
func packQuestion() ([]byte, error) {
	name, err := dnsmessage.NewName(service)
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}}}
	return m.Pack()
}

// asksFor reports whether a message asks for the announcement with this label,
// and does not list it as known already.
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

// knows reports whether the answers of a question, which p is at, hold the
// announcement with this label for at least half of its time.
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
