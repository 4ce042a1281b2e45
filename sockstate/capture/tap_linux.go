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
	return t, nil
}

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
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return clock.Now()
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			s, ns := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			return t.epoch + int64(s)*int64(time.Second) + int64(ns)
		}
	}
	return clock.Now()
}

// Close closes the tap.
func (t *Tap) Close() error { return failed("close", "", unix.Close(t.fd)) }
