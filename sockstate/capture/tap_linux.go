package capture

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// Tap reads whole packets of a server one by one, for a connection or a few: each costs a system call, and as long as it is open the kernel
// reads a clock for every packet of the host.
type Tap struct {
	fd     int
	server netip.AddrPort
	link   *net.Interface
	// epoch is CLOCK_REALTIME's zero on the clock of clock.Now: one for all packets, so that they keep their order.
	epoch int64
	// control has room for a timestamp.
	control [64]byte
}

// OpenTap opens a tap. Of the Config, Max has no meaning. The privileges and errors are those of Open.
func OpenTap(cfg Config) (*Tap, error) {
	t := &Tap{fd: -1, epoch: clock.Of(time.Unix(0, 0)), server: netip.AddrPortFrom(cfg.Server.Addr().Unmap(), cfg.Server.Port())}
	if !t.server.IsValid() || t.server.Addr().IsUnspecified() {
		return nil, &Error{"route", cfg.Server.String(), unix.EADDRNOTAVAIL}
	}
	filter := cfg.Filter
	filter.whole = true
	err := cfg.Namespace.Do(func() (err error) {
		if t.link, err = findLink(t.server, cfg.Link); err != nil {
			return err
		}
		t.fd, err = openSocket(t.server, filter, t.link)
		return err
	})
	if err != nil {
		return nil, err
	}
	stamped := unix.SetsockoptInt(t.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	if err := errors.Join(failed("setsockopt", "SO_TIMESTAMPNS", stamped), failed("fcntl", "", unix.SetNonblock(t.fd, true)), listen(t.fd, t.link)); err != nil {
		_ = unix.Close(t.fd)
		return nil, err
	}
	awaitStamps()
	return t, nil
}

// stampTries bounds how often awaitStamps asks, every stampPause.
const (
	stampTries = 100
	stampPause = 200 * time.Microsecond
)

// awaitStamps waits until the kernel stamps packets when they arrive. It begins to do so a little after the first socket has asked for it
// (net_enable_timestamp leaves that to a work queue). A packet from before gets the time at which it is read, and looks no different. So a
// datagram is left unread for a while: it must be older than that. Where there is no loopback, nothing is waited for.
func awaitStamps() {
	at := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(fd) }() // it has no data to lose
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) != nil || unix.Bind(fd, at) != nil {
		return
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		return
	}
	for range stampTries {
		if unix.Sendto(fd, []byte{0}, 0, own) != nil {
			return
		}
		time.Sleep(stampPause)
		read := time.Now()
		var b [1]byte
		var control [64]byte
		if _, n, _, _, err := unix.Recvmsg(fd, b[:], control[:], 0); err != nil {
			return
		} else if at, ok := stampOf(control[:n]); ok && at < read.UnixNano() {
			return
		}
	}
}

// Link names the link whose packets are read.
func (t *Tap) Link() string { return t.link.Name }

// FD is readable when there is a packet.
func (t *Tap) FD() int { return t.fd }

// Read reads a packet, from its IP header on, and when it was on the link, on the clock of clock.Now. It returns 0 if there is none.
func (t *Tap) Read(b []byte) (n int, at int64, err error) {
	for {
		n, oob, _, _, err := unix.Recvmsg(t.fd, b, t.control[:], 0)
		switch {
		case err == nil:
			return n, t.stamp(t.control[:oob]), nil
		case errors.Is(err, unix.EAGAIN):
			return 0, 0, nil
		case !errors.Is(err, unix.EINTR):
			return 0, 0, &Error{"recvmsg", t.link.Name, err}
		}
	}
}

// stamp is the kernel's timestamp of a packet, or this moment if it has none.
func (t *Tap) stamp(control []byte) int64 {
	if at, ok := stampOf(control); ok {
		return t.epoch + at
	}
	return clock.Now()
}

// stampOf is the timestamp in a control message, in nanoseconds of CLOCK_REALTIME.
func stampOf(control []byte) (at int64, ok bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			s, ns := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			return int64(s)*int64(time.Second) + int64(ns), true
		}
	}
	return 0, false
}

// Close closes the tap.
func (t *Tap) Close() error { return failed("close", "", unix.Close(t.fd)) }
