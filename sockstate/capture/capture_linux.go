package capture

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// pause is how long packets gather in the ring, which has room for 65,440, before they are taken. Waiting in poll instead
// costs more: the kernel wakes up who waits for each packet, and Go's poller does even while no goroutine
// reads (13 % of a CPU at 10,000 connections/s, where this takes 1 %).
const pause = 20 * time.Millisecond

// Capture is under way. Its methods may be called concurrently.
type Capture struct {
	server netip.AddrPort
	max    int
	link   *net.Interface

	fd   int
	ring *ring

	// Of the goroutine that reads, and of Stop when that has ended.
	clock   *wallClock
	packets []Packet
	beyond  int64

	stop, done chan struct{}
	once       sync.Once
	trace      *Trace
	err        error
}

// Open starts a capture. Packets that are sent or received after it has returned are captured.
//
// It needs CAP_NET_RAW in the user namespace that owns the network namespace, which everybody has in a user
// namespace of their own, and what Namespace.Do needs. The error is an *Error: of call socket with EPERM without the
// capability, of call route where nothing leads to the server, of call link where its link is not up; or
// Namespace.Do's. The ring is 10 MiB of kernel memory.
func Open(cfg Config) (*Capture, error) {
	c := &Capture{
		server: netip.AddrPortFrom(cfg.Server.Addr().Unmap(), cfg.Server.Port()),
		max:    cfg.Max, fd: -1,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	if c.max == 0 {
		c.max = DefaultMax
	}
	if !c.server.IsValid() || c.server.Addr().IsUnspecified() {
		return nil, &Error{"route", cfg.Server.String(), unix.EADDRNOTAVAIL}
	}
	err := cfg.Namespace.Do(func() (err error) {
		// What follows in start needs the socket, which stays in the namespace, but not the thread.
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
			c.drain()
		}
	}
}

// drain takes what is in the ring.
func (c *Capture) drain() {
	c.clock.check()
	for c.ring.take(c.keep) == frames {
		c.clock.check()
	}
}

func (c *Capture) keep(f captured) {
	s, ok := decode(f.headers)
	if !ok {
		return // the filter lets nothing through that cannot be read
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

// Stop ends the capture and returns what it saw: everything that was captured before the call, and perhaps a little
// more. The trace is there even with an error, an *Error of call link if the link went down meanwhile (what
// came then is missing) or of call bind. Further calls return the same.
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
	c.drain()
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
