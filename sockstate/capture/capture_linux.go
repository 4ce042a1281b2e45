package capture

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// pause is the interval at which the ring, which has room for 65,440 packets, is read. poll costs more: the kernel
// wakes the waiting thread for each packet, and Go's poller even while no goroutine reads (13 % of a CPU at 10,000
// connections/s; this takes 1 %).
const pause = 20 * time.Millisecond

// Capture is a running capture. Its methods may be called concurrently.
type Capture struct {
	server netip.AddrPort
	max    int
	link   *net.Interface

	fd   int
	ring *ring

	// Owned by the reading goroutine, and by Stop once that has ended.
	clock   *wallClock
	packets []Packet
	beyond  int64

	stop, done chan struct{}
	once       sync.Once
	trace      *Trace
	err        error
}

// Open starts a capture of the packets sent or received after it returns.
//
// It needs CAP_NET_RAW in the user namespace that owns the network namespace (any user has it in a user namespace of
// their own), and the privileges of netns.NS.Do. The error is that of NS.Do or an *Error: of call socket with EPERM
// without the capability, of call route without a route to the server, of call link if the link is not up. The
// ring is 10 MiB of kernel memory.
func Open(cfg Config) (*Capture, error) {
	c := &Capture{
		server: netip.AddrPortFrom(cfg.Server.Addr().Unmap(), cfg.Server.Port()),
		max:    cfg.Max, fd: -1,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	if c.max == 0 {
		c.max = defaultMax
	}
	if !c.server.IsValid() || c.server.Addr().IsUnspecified() {
		return nil, &Error{"route", cfg.Server.String(), unix.EADDRNOTAVAIL}
	}
	err := cfg.Namespace.Do(func() (err error) {
		// start needs only the socket, which stays in the namespace, not the thread.
		if c.link, err = findLink(c.server, cfg.Link); err != nil {
			return err
		}
		c.fd, err = openSocket(c.server, cfg.Filter, c.link)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.server = netip.AddrPortFrom(c.server.Addr().WithZone(""), c.server.Port())
	if err := c.start(); err != nil {
		c.close()
		return nil, err
	}
	go c.read()
	return c, nil
}

func (c *Capture) start() (err error) {
	if c.ring, err = mapRing(c.fd); err != nil {
		return err
	}
	c.clock = newWallClock()
	return listen(c.fd, c.link)
}

func (c *Capture) close() {
	if c.ring != nil {
		c.ring.unmap()
	}
	_ = unix.Close(c.fd)
}

func (c *Capture) read() {
	defer close(c.done)
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-ticker.C:
			c.readRing()
		}
	}
}

// readRing reads all packets in the ring.
func (c *Capture) readRing() {
	c.clock.check()
	for c.ring.take(c.keep) == frames {
		c.clock.check()
	}
}

func (c *Capture) keep(f captured) {
	s, ok := decode(f.headers)
	if !ok {
		return // never: the filter passes only what decodes
	}
	p, ok := s.packet(c.server, c.clock.at(f.wall))
	switch {
	case !ok:
	case len(c.packets) >= c.max:
		c.beyond++
	default:
		c.packets = append(c.packets, p)
	}
}

// Stop ends the capture and returns its packets: all those before the call, and perhaps a few more. It returns a trace
// even with an error: an *Error of call link if the link was down for a time (its packets are missing), or of call
// bind. Further calls return the same.
func (c *Capture) Stop() (*Trace, error) {
	c.once.Do(c.end)
	return c.trace, c.err
}

func (c *Capture) end() {
	close(c.stop)
	<-c.done
	c.err = linkError(c.fd, c.link)
	if err := unlisten(c.fd, c.link); err != nil && c.err == nil {
		c.err = err
	}
	c.readRing()
	dropped := c.beyond
	if stats, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		dropped += int64(stats.Drops)
	} else if c.err == nil {
		c.err = &Error{"getsockopt", "PACKET_STATISTICS", err}
	}
	c.close()

	c.trace = NewTrace(c.packets)
	c.packets = nil
	c.trace.Dropped = dropped
	c.trace.Link = c.link.Name
	c.trace.ClockError = time.Duration(c.clock.worst)
	c.trace.ClockStep = time.Duration(c.clock.stepped)
}
