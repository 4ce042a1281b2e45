package bench

import (
	"net"
	"net/netip"

	"lastack/bench/host"
	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// Check says what of an experiment cannot be carried out as asked, without opening a
// socket of the load: a *sockstate.ValueError.
func Check(c Config) error {
	f := c.Host
	if f == nil {
		var err error
		if f, err = host.Read(); err != nil {
			return err
		}
	}
	if c.Server != nil {
		s := c.Server.Config
		s.Addrs = []netip.AddrPort{anyLoopback(c.Server.V6)}
		if err := s.Validate(); err != nil {
			return err
		}
		c.Plan.Groups = append(c.Plan.Groups[:0:0], c.Plan.Groups...)
		for i := range c.Plan.Groups {
			c.Plan.Groups[i].Targets = s.Addrs
		}
	}
	if err := c.Plan.Validate(); err != nil {
		return err
	}
	if err := c.chooseBackend(); err != nil {
		return err
	}
	if _, _, err := c.divide(c.Backend, f); err != nil {
		return err
	}
	inside := c.presumed(f)
	c.presuming = c.Server != nil && c.Sandbox == nil
	c.spread(inside)
	needs := c.needs(inside)
	if err := c.preflight(f, &needs); err != nil {
		return err
	}
	if err := c.checkPorts(inside); err != nil {
		return err
	}
	if c.Server == nil {
		if err := c.checkSources(); err != nil {
			return err
		}
		return c.checkSourcePorts(f)
	}
	return nil
}

// chooseBackend fills in Backend, unless the caller has.
func (c *Config) chooseBackend() error {
	if c.Backend.New != nil {
		return nil
	}
	b, why, err := sockio.Choose(c.Engine)
	if err != nil {
		return sockstate.BadValue("engine", c.Engine, "%s", err.Error())
	}
	c.Backend, c.BackendReason = b, why
	return nil
}

// checkSourcePorts refuses ports outside the namespace's range, where the kernel takes no
// notice of IP_LOCAL_PORT_RANGE (inet_sk_get_local_port_range).
func (c *Config) checkSourcePorts(f *host.Facts) error {
	lo, hi, _, ok := f.LocalPorts()
	for i := range c.Plan.Groups {
		p := c.Plan.Groups[i].SourcePorts
		if ok && !p.IsZero() && (int(p.Lo) < lo || int(p.Hi) > hi) {
			return sockstate.BadValue("source-ports", p, "lies outside net.ipv4.ip_local_port_range (%d to %d), where the kernel ignores it: want ports inside, or widen the range", lo, hi)
		}
	}
	return nil
}

// anyLoopback stands for the embedded server's address, which is not known yet.
func anyLoopback(v6 bool) netip.AddrPort {
	if v6 {
		return netip.AddrPortFrom(netip.IPv6Loopback(), 1)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1)
}

// checkSources refuses what the load would not be sent from: broadcast addresses, which a socket takes and then does not
// use (__inet_bind), among all sources of each group, and what is not local as its first or its last. Binding tells what
// no list of interfaces does, as local routes make whole ranges local. It asks in the namespace that it is called in.
func (c *Config) checkSources() error {
	var all []netip.Addr
	for i := range c.Plan.Groups {
		s := c.Plan.Groups[i].Sources
		if len(s) == 0 {
			continue
		}
		for _, a := range []netip.Addr{s[0], s[len(s)-1]} {
			if err := bindable(a); err != nil {
				return sockstate.BadValue("source", a, "is not an address of this host: want one that is, or add it (ip addr add, ip route add local)")
			}
		}
		all = append(all, s...)
	}
	if len(all) == 0 {
		return nil
	}
	broadcasts := host.Broadcasts()
	for _, a := range all {
		if broadcasts.Contains(a) {
			return sockstate.BadValue("source", a, "is a broadcast address here, and the kernel would send from another one: want an address of one host, or a range without it")
		}
	}
	return nil
}

// bindable reports whether a is local. A UDP socket asks: it sends nothing, and takes no TCP port.
func bindable(a netip.Addr) error {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		return err
	}
	return c.Close()
}
