package lan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// recordVersion is the version of the TXT record. Records of other versions are ignored.
	recordVersion = "1"

	// recordTTL is how long an announcement is valid.
	recordTTL = 2 * time.Minute
)

// Limits on the record of another host. A record that exceeds them is ignored, except that of
// more than maxAddrs addresses the first ones are used.
const (
	maxStrings   = 32 // of one TXT record
	maxIDText    = 64 // bytes
	maxAddrText  = 96 // bytes
	maxAddrs     = 8
	maxLabel     = 63 // bytes, of a label and of a host's name
	maxNameplate = 9  // digits
)

// record is the announcement of one host on one link. A record from the network is a claim.
type record struct {
	label     string // identifies this announcement; the same on all links
	id        lpeer.ID
	name      string
	nameplate string
	offers    bool
	addrs     []ma.Multiaddr // without /p2p/ID
	ttl       time.Duration  // 0 is a goodbye
}

// roleOffers is the role of a host that offers images. A host that receives images announces no
// role, as in older releases, which could only receive.
const roleOffers = "offers"

// role returns the value for the role in a record, or "" for none.
func role(offers bool) string {
	if offers {
		return roleOffers
	}
	return ""
}

// checkNameplate returns an error if nameplate is not empty or a number of at most maxNameplate
// digits. The words of a code cannot be announced for this reason.
func checkNameplate(nameplate string) error {
	if len(nameplate) > maxNameplate || strings.Trim(nameplate, "0123456789") != "" {
		return fmt.Errorf("a nameplate is a number of at most %d digits", maxNameplate)
	}
	return nil
}

// isLabel reports whether text is a valid label of a DNS name, in lower case. The names of
// hosts follow the same rule.
func isLabel(text string) bool {
	return text != "" && len(text) <= maxLabel && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// parseRecordID parses the ID of an Ed25519 key. It accepts only the canonical text form.
func parseRecordID(text string) (lpeer.ID, error) {
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

// parseRecordAddr parses a unicast IP address and a TCP port that can be dialed.
func parseRecordAddr(text string) (ma.Multiaddr, error) {
	if len(text) > maxAddrText || !strings.HasPrefix(text, "/ip") {
		return nil, errors.New("not an address")
	}
	addr, err := ma.NewMultiaddr(text)
	if err != nil {
		return nil, errors.New("not an address")
	}
	ip, ok := ipOf(addr)
	unicast := ip.IsGlobalUnicast() || ip.Is4() && ip.IsLinkLocalUnicast()
	if !ok || portOf(addr) == 0 || ip.Is4In6() || !unicast {
		return nil, errors.New("not an address that can be dialed")
	}
	return addr, nil
}

// txt returns the strings of the TXT record.
func (r record) txt() []string {
	out := []string{"txtvers=" + recordVersion, "id=" + r.id.String(), "name=" + r.name}
	if r.nameplate != "" {
		out = append(out, "code="+r.nameplate)
	}
	if role := role(r.offers); role != "" {
		out = append(out, "role="+role)
	}
	// Readers use only the first value of a key, so each address has its own key.
	for i, addr := range r.addrs {
		out = append(out, fmt.Sprintf("addr%d=%s", i, addr))
	}
	return out
}

// parseTXT is the inverse of txt. It ignores invalid addresses, and returns an error if
// anything else is invalid.
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
	if !isLabel(r.name) {
		return record{}, errors.New("not a name")
	}
	if err := checkNameplate(r.nameplate); err != nil {
		return record{}, err
	}
	if r.offers = values["role"] == roleOffers; !r.offers && values["role"] != "" {
		return record{}, errors.New("waits for something else")
	}
	for i := range maxAddrs {
		addr, err := parseRecordAddr(values[fmt.Sprintf("addr%d", i)])
		if err == nil && !slices.ContainsFunc(r.addrs, addr.Equal) {
			r.addrs = append(r.addrs, addr)
		}
	}
	return r, nil
}
