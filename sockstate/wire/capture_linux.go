package wire

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pause is how long packets may gather in the ring once there is one: instead of once for each packet, the process
// wakes up at most 200 times a second. The ring takes 65,440 in that time.
const pause = 5 * time.Millisecond

// Capture is under way. Its methods may be called concurrently.
type Capture struct {
	server netip.AddrPort
	max    int
	link   *net.Interface

	fd   int // of file, which knows it as one that does not block
	file *os.File
	poll syscall.RawConn
	ring *ring

	// Of the goroutine that reads, and of Stop when that has ended.
	clock   *clock
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
		// The link first: the calls before bind work in no namespace's name, and looking it up needs the thread.
		if c.link, err = findLink(c.server, cfg.Link); err != nil {
			return err
		}
		c.fd, err = openSocket(c.server, c.link)
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
	c.file = os.NewFile(uintptr(c.fd), "packet socket")
	if c.poll, err = c.file.SyscallConn(); err != nil {
		return &Error{"poll", "", err}
	}
	// Only a file that the runtime's poller watches has deadlines, and Stop needs one.
	if err := c.file.SetReadDeadline(time.Time{}); err != nil {
		return &Error{"poll", "", err}
	}
	c.clock = newClock()
	return listen(c.fd, c.link)
}

func (c *Capture) close() {
	if c.ring != nil {
		c.ring.unmap()
	}
	if c.file == nil {
		_ = unix.Close(c.fd)
		return
	}
	_ = c.file.Close()
}

// read sleeps until there are packets, and a little longer.
func (c *Capture) read() {
	defer close(c.done)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		if err := c.poll.Read(func(uintptr) bool { return c.ring.ready() }); err != nil {
			return // the deadline that Stop sets
		}
		c.drain()
		timer.Reset(pause)
		select {
		case <-c.stop:
			return
		case <-timer.C:
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
	_ = c.file.SetReadDeadline(time.Unix(1, 0)) // it had none to set, in start
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
