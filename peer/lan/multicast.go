package lan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	mdnsPort = 5353
	// mdnsHops is the hop limit that multicast DNS requires. Its groups are not routed.
	mdnsHops = 255
)

var (
	mdnsGroup4 = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: mdnsPort}
	mdnsGroup6 = &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: mdnsPort}
)

// packet is a multicast DNS message of a host on a link.
type packet struct {
	data []byte
	link link
	from netip.Addr
}

// multicast sends to and receives from the two multicast DNS groups on the links of this host.
// It cannot send anywhere else. Only one goroutine may call refresh and send.
type multicast struct {
	usable func(net.Interface) bool
	v4     *ipv4.PacketConn // nil on a host without IPv4
	v6     *ipv6.PacketConn // nil on a host without IPv6

	packets chan packet
	done    chan struct{}
	reading sync.WaitGroup

	joined4, joined6 map[int]net.Interface

	mu    sync.Mutex
	links []link
}

// openMulticast joins the groups on the interfaces for which usable returns true. A host
// without such an interface is no error: refresh finds those that appear later.
func openMulticast(usable func(net.Interface) bool) (*multicast, error) {
	m := &multicast{
		usable:  usable,
		packets: make(chan packet),
		done:    make(chan struct{}),
		joined4: map[int]net.Interface{},
		joined6: map[int]net.Interface{},
	}
	// Package net makes the port of a multicast address reusable, so the system's multicast DNS
	// service can use it too.
	c4, err4 := net.ListenUDP("udp4", mdnsGroup4)
	if err4 == nil {
		m.v4 = ipv4.NewPacketConn(c4)
		// Without control messages, accept decides by addresses only.
		_ = m.v4.SetControlMessage(ipv4.FlagInterface|ipv4.FlagDst, true)
		err4 = errors.Join(m.v4.SetMulticastTTL(mdnsHops), m.v4.SetMulticastLoopback(true))
	}
	c6, err6 := net.ListenUDP("udp6", mdnsGroup6)
	if err6 == nil {
		m.v6 = ipv6.NewPacketConn(c6)
		_ = m.v6.SetControlMessage(ipv6.FlagInterface|ipv6.FlagDst, true)
		err6 = errors.Join(m.v6.SetMulticastHopLimit(mdnsHops), m.v6.SetMulticastLoopback(true))
	}
	if err4 != nil && err6 != nil {
		m.close()
		return nil, fmt.Errorf("open the multicast DNS port: %w", errors.Join(err4, err6))
	}
	m.refresh()
	if m.v4 != nil {
		m.reading.Go(func() { m.read(m.read4) })
	}
	if m.v6 != nil {
		m.reading.Go(func() { m.read(m.read6) })
	}
	return m, nil
}

// refresh updates the links and reports whether any has changed.
func (m *multicast) refresh() bool {
	links, err := listLinks(m.usable)
	if err != nil {
		return false
	}
	for i := range links {
		iface := links[i].iface
		links[i].v4 = links[i].v4 && m.v4 != nil && join(m.joined4, iface, func() error { return m.v4.JoinGroup(&iface, mdnsGroup4) })
		links[i].v6 = links[i].v6 && m.v6 != nil && join(m.joined6, iface, func() error { return m.v6.JoinGroup(&iface, mdnsGroup6) })
	}
	links = slices.DeleteFunc(links, func(k link) bool { return !k.v4 && !k.v6 })
	leave(m.joined4, links, func(k link) bool { return k.v4 }, func(i net.Interface) error { return m.v4.LeaveGroup(&i, mdnsGroup4) })
	leave(m.joined6, links, func(k link) bool { return k.v6 }, func(i net.Interface) error { return m.v6.LeaveGroup(&i, mdnsGroup6) })

	m.mu.Lock()
	defer m.mu.Unlock()
	changed := !slices.EqualFunc(m.links, links, link.equal)
	m.links = links
	return changed
}

// join joins the group on iface, unless it is in joined, and adds it. It reports whether iface
// is in joined now.
func join(joined map[int]net.Interface, iface net.Interface, group func() error) bool {
	if _, ok := joined[iface.Index]; ok {
		return true
	}
	if group() != nil {
		return false
	}
	joined[iface.Index] = iface
	return true
}

// leave removes from joined the interfaces that are no longer links.
func leave(joined map[int]net.Interface, links []link, speaks func(link) bool, group func(net.Interface) error) {
	for index, iface := range joined {
		if !slices.ContainsFunc(links, func(k link) bool { return k.iface.Index == index && speaks(k) }) {
			_ = group(iface) // fails if the interface was removed, and its group membership with it
			delete(joined, index)
		}
	}
}

// current returns the links as of the last refresh.
func (m *multicast) current() []link {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.links
}

// send sends data to the groups on one link. It returns an error if it fails for one of the
// address families.
func (m *multicast) send(to link, data []byte) error {
	var errs []error
	if to.v4 {
		err := m.v4.SetMulticastInterface(&to.iface)
		if err == nil {
			_, err = m.v4.WriteTo(data, nil, mdnsGroup4)
		}
		errs = append(errs, err)
	}
	if to.v6 {
		err := m.v6.SetMulticastInterface(&to.iface)
		if err == nil {
			_, err = m.v6.WriteTo(data, nil, mdnsGroup6)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// arrival describes a received datagram. Fields that the system does not provide are zero.
type arrival struct {
	length int
	index  int    // index of the interface
	to     net.IP // its destination
	from   net.Addr
}

func (m *multicast) read4(buf []byte) (arrival, error) {
	n, cm, from, err := m.v4.ReadFrom(buf)
	a := arrival{length: n, from: from}
	if cm != nil {
		a.index, a.to = cm.IfIndex, cm.Dst
	}
	return a, err
}

func (m *multicast) read6(buf []byte) (arrival, error) {
	n, cm, from, err := m.v6.ReadFrom(buf)
	a := arrival{length: n, from: from}
	if cm != nil {
		a.index, a.to = cm.IfIndex, cm.Dst
	}
	return a, err
}

// read passes datagrams to packets until close. While no goroutine receives from packets, the
// system drops datagrams that exceed its buffer.
func (m *multicast) read(next func([]byte) (arrival, error)) {
	buf := make([]byte, maxPacket)
	for {
		a, err := next(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Do not use a whole processor if the error is permanent.
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-m.done:
				return
			}
		}
		p, ok := m.accept(a)
		if !ok {
			continue
		}
		p.data = slices.Clone(buf[:a.length])
		select {
		case m.packets <- p:
		case <-m.done:
			return
		}
	}
}

// accept returns the packet of an arrival. It returns false unless the datagram was sent to a
// multicast address from the multicast DNS port of a host on the link where it arrived.
func (m *multicast) accept(a arrival) (packet, bool) {
	udp, ok := a.from.(*net.UDPAddr)
	if !ok || udp.Port != mdnsPort || (a.to != nil && !a.to.IsMulticast()) {
		return packet{}, false
	}
	from := udp.AddrPort().Addr().Unmap()
	for _, k := range m.current() {
		if a.index != 0 && k.iface.Index != a.index {
			continue
		}
		if zone := from.Zone(); a.index == 0 && zone != "" && zone != k.iface.Name {
			continue
		}
		if from := from.WithZone(""); k.reaches(from) {
			return packet{link: k, from: from}, true
		}
	}
	return packet{}, false
}

// close leaves the groups. When it returns, no goroutine is left.
func (m *multicast) close() {
	close(m.done)
	if m.v4 != nil {
		m.v4.Close()
	}
	if m.v6 != nil {
		m.v6.Close()
	}
	m.reading.Wait()
}

// names returns the names of links.
func names(links []link) []string {
	out := make([]string, 0, len(links))
	for _, k := range links {
		out = append(out, k.iface.Name)
	}
	return out
}
