package peer

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
	// mdnsHops is what multicast DNS asks for. Its groups are not routed.
	mdnsHops = 255
)

var (
	mdnsGroup4 = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: mdnsPort}
	mdnsGroup6 = &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: mdnsPort}
)

// packet is a multicast DNS message from a host on one of the links.
type packet struct {
	data []byte
	link link
	from netip.Addr
}

// lan sends to and receives from the two groups of multicast DNS on the links
// of this host, and has no way to send anywhere else. One goroutine refreshes
// and sends.
type lan struct {
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

// openLAN joins the groups on the interfaces for which usable holds. It is no
// error if there are none, or not yet.
func openLAN(usable func(net.Interface) bool) (*lan, error) {
	l := &lan{
		usable:  usable,
		packets: make(chan packet),
		done:    make(chan struct{}),
		joined4: map[int]net.Interface{},
		joined6: map[int]net.Interface{},
	}
	// Go makes the port of a multicast address reusable, so this gets on with
	// the multicast DNS service of the system.
	c4, err4 := net.ListenUDP("udp4", mdnsGroup4)
	if err4 == nil {
		l.v4 = ipv4.NewPacketConn(c4)
		// What it cannot do without control messages it does by addresses.
		_ = l.v4.SetControlMessage(ipv4.FlagInterface|ipv4.FlagDst, true)
		err4 = errors.Join(l.v4.SetMulticastTTL(mdnsHops), l.v4.SetMulticastLoopback(true))
	}
	c6, err6 := net.ListenUDP("udp6", mdnsGroup6)
	if err6 == nil {
		l.v6 = ipv6.NewPacketConn(c6)
		_ = l.v6.SetControlMessage(ipv6.FlagInterface|ipv6.FlagDst, true)
		err6 = errors.Join(l.v6.SetMulticastHopLimit(mdnsHops), l.v6.SetMulticastLoopback(true))
	}
	if err4 != nil && err6 != nil {
		l.close()
		return nil, fmt.Errorf("open the multicast DNS port: %w", errors.Join(err4, err6))
	}
	l.refresh()
	if l.v4 != nil {
		l.reading.Go(func() { l.read(l.read4) })
	}
	if l.v6 != nil {
		l.reading.Go(func() { l.read(l.read6) })
	}
	return l, nil
}

// refresh looks at the interfaces again and reports whether anything changed.
func (l *lan) refresh() bool {
	links, err := listLinks(l.usable)
	if err != nil {
		return false
	}
	for i := range links {
		iface := links[i].iface
		links[i].v4 = links[i].v4 && l.v4 != nil && join(l.joined4, iface, func() error { return l.v4.JoinGroup(&iface, mdnsGroup4) })
		links[i].v6 = links[i].v6 && l.v6 != nil && join(l.joined6, iface, func() error { return l.v6.JoinGroup(&iface, mdnsGroup6) })
	}
	links = slices.DeleteFunc(links, func(k link) bool { return !k.v4 && !k.v6 })
	leave(l.joined4, links, func(k link) bool { return k.v4 }, func(i net.Interface) error { return l.v4.LeaveGroup(&i, mdnsGroup4) })
	leave(l.joined6, links, func(k link) bool { return k.v6 }, func(i net.Interface) error { return l.v6.LeaveGroup(&i, mdnsGroup6) })

	l.mu.Lock()
	defer l.mu.Unlock()
	changed := !slices.EqualFunc(l.links, links, link.equal)
	l.links = links
	return changed
}

// join makes iface one of joined, and reports whether it is.
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

// leave drops those of joined that are not links any more.
func leave(joined map[int]net.Interface, links []link, speaks func(link) bool, group func(net.Interface) error) {
	for index, iface := range joined {
		if !slices.ContainsFunc(links, func(k link) bool { return k.iface.Index == index && speaks(k) }) {
			_ = group(iface) // fails if the interface is gone, and the group with it
			delete(joined, index)
		}
	}
}

// current returns the links as of the last refresh.
func (l *lan) current() []link {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.links
}

// send sends data to the groups on one link. It returns an error if that
// failed in either family.
func (l *lan) send(to link, data []byte) error {
	var errs []error
	if to.v4 {
		err := l.v4.SetMulticastInterface(&to.iface)
		if err == nil {
			_, err = l.v4.WriteTo(data, nil, mdnsGroup4)
		}
		errs = append(errs, err)
	}
	if to.v6 {
		err := l.v6.SetMulticastInterface(&to.iface)
		if err == nil {
			_, err = l.v6.WriteTo(data, nil, mdnsGroup6)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// arrival is what the system tells about a datagram. What it does not tell is
// the zero value.
type arrival struct {
	length int
	index  int    // of the interface
	to     net.IP // its destination
	from   net.Addr
}

func (l *lan) read4(buf []byte) (arrival, error) {
	n, cm, from, err := l.v4.ReadFrom(buf)
	a := arrival{length: n, from: from}
	if cm != nil {
		a.index, a.to = cm.IfIndex, cm.Dst
	}
	return a, err
}

func (l *lan) read6(buf []byte) (arrival, error) {
	n, cm, from, err := l.v6.ReadFrom(buf)
	a := arrival{length: n, from: from}
	if cm != nil {
		a.index, a.to = cm.IfIndex, cm.Dst
	}
	return a, err
}

// read passes on what comes until the lan is closed. While nobody takes it,
// the system drops what comes on top.
func (l *lan) read(next func([]byte) (arrival, error)) {
	buf := make([]byte, maxPacket)
	for {
		a, err := next(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Not to spin on an error that stays.
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-l.done:
				return
			}
		}
		p, ok := l.accept(a)
		if !ok {
			continue
		}
		p.data = slices.Clone(buf[:a.length])
		select {
		case l.packets <- p:
		case <-l.done:
			return
		}
	}
}

// accept passes multicasts from the multicast DNS port of a host that is on
// the link on which they came.
func (l *lan) accept(a arrival) (packet, bool) {
	udp, ok := a.from.(*net.UDPAddr)
	if !ok || udp.Port != mdnsPort || (a.to != nil && !a.to.IsMulticast()) {
		return packet{}, false
	}
	from := udp.AddrPort().Addr().Unmap()
	for _, k := range l.current() {
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

// close leaves the groups. Nothing is left running when it returns.
func (l *lan) close() {
	close(l.done)
	if l.v4 != nil {
		l.v4.Close()
	}
	if l.v6 != nil {
		l.v6.Close()
	}
	l.reading.Wait()
}

// names returns the names of links.
func names(links []link) []string {
	out := make([]string, 0, len(links))
	for _, k := range links {
		out = append(out, k.iface.Name)
	}
	return out
}
