package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
)

// A wire between both namespaces, in whose middle a process decides when each packet goes on, and whether it does:
//
//	client's namespace          namespace of the relay          server's namespace
//	198.18.0.1                                                         198.19.0.1
//	   [client] ---- veth ---- [inside]  Relay  [outside] ---- veth ---- [server]
//
// The relay's namespace has no address and forwards nothing. Each end knows the other's link-layer address, and the relay passes
// the frames on as they are: the time to live stays the same, and no ARP is needed.
//
// TCP offloads are off at both ends, so that each frame is a packet as on a wire, with its checksum.
func (s *Sandbox) joinByRelay() error {
	c, sv := vethEnds(s.Client, s.Server)
	wire := func(e vethEnd, peer string) spoke {
		return spoke{e, peer, nil, func() error { return offloadsOff(e.link) }}
	}
	if err := s.joinMiddle(wire(c, insideLink), wire(sv, outsideLink)); err != nil {
		return err
	}
	v6 := true
	for _, e := range []vethEnd{c, sv} {
		if err := e.ns.Do(func() error { v6 = v6 && hasIPv6(e.link); return nil }); err != nil {
			return err
		}
	}
	for _, p := range [][2]vethEnd{{c, sv}, {sv, c}} {
		if err := p[0].reach(p[1], v6); err != nil {
			return err
		}
	}
	s.ServerAddr4, s.ClientRange4 = sv.v4.Addr(), c.range4
	if v6 {
		s.ClientAddr6, s.ServerAddr6 = c.v6.Addr(), sv.v6.Addr()
	}
	s.ends = []end{c.end(), sv.end()}
	return nil
}

// Relay forwards the packets of the topology Relayed. It must be used by one goroutine, which OpenRelay locks to its thread and a CPU, for
// life: on one CPU the kernel processes packets in the order in which they are sent (enqueue_to_backlog).
type Relay struct {
	wires [sockstate.NumSides]wire
	mark  uint64
}

// wire is the relay's end of a link, and the socket at the other end by which it finds out that a packet has been processed there.
type wire struct {
	mac      [6]byte // the other end's
	fd, echo int
}

// protocolMark is for local experiments (IEEE 802).
const protocolMark = 0x88b5

// markTimeout bounds how long the kernel may take to process a packet.
const markTimeout = 5 * time.Second

// OpenRelay opens the relay of a sandbox with the topology Relayed. Packets sent before are lost.
func (s *Sandbox) OpenRelay() (*Relay, error) {
	if s.Topology != Relayed {
		return nil, fmt.Errorf("the topology %s has no relay", s.Topology)
	}
	runtime.LockOSThread()
	cpus, err := sockio.AllowedCPUs()
	if err != nil {
		return nil, err
	}
	if len(cpus) == 0 {
		return nil, errors.New("no CPU is allowed to this process")
	}
	if err := sockio.SetAffinity(cpus[len(cpus)-1]); err != nil {
		return nil, err
	}
	r := &Relay{}
	for i := range r.wires {
		r.wires[i].fd, r.wires[i].echo = -1, -1
	}
	c, sv := vethEnds(s.Client, s.Server)
	for side, e := range []struct {
		vethEnd
		peer string
	}{{c, insideLink}, {sv, outsideLink}} {
		w := &r.wires[side]
		copy(w.mac[:], e.mac)
		if w.fd, err = packetSocket(s.Router, e.peer, unix.ETH_P_ALL); err == nil {
			w.echo, err = packetSocket(e.ns, e.link, protocolMark)
		}
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

// packetSocket receives the frames of a protocol that arrive on a link.
func packetSocket(ns *netns.NS, name string, protocol uint16) (fd int, err error) {
	err = withLinks(ns, func(h *netlink.Handle) error {
		link, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		var order [2]byte
		binary.BigEndian.PutUint16(order[:], protocol)
		at := &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(order[:]), Ifindex: link.Attrs().Index}
		if err := unix.Bind(fd, at); err != nil {
			_ = unix.Close(fd)
			return os.NewSyscallError("bind", err)
		}
		return nil
	})
	if err != nil {
		return -1, err
	}
	return fd, nil
}

// FDs lists descriptors that are readable when a packet has arrived.
func (r *Relay) FDs() []int { return []int{r.wires[0].fd, r.wires[1].fd} }

// Receive appends the frames with IP packets that have arrived, in the order of arrival on each link.
func (r *Relay) Receive(to []Frame) ([]Frame, error) {
	buf := make([]byte, 64<<10)
	for side := range r.wires {
		for {
			n, err := unix.Read(r.wires[side].fd, buf)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return to, os.NewSyscallError("read", err)
			}
			if !carriesIP(buf[:n]) {
				continue
			}
			to = append(to, Frame{From: sockstate.Side(side), At: clock.Now(), Data: slices.Clone(buf[:n])})
		}
	}
	return to, nil
}

// carriesIP reports whether a frame is to be passed on. What IPv6 does by itself (MLD, router solicitations) ends here.
func carriesIP(frame []byte) bool {
	const typeAt, nextHeaderAt = 12, EthernetHeader + 6
	if len(frame) <= nextHeaderAt {
		return false
	}
	switch binary.BigEndian.Uint16(frame[typeAt:]) {
	case unix.ETH_P_IP:
		return true
	case unix.ETH_P_IPV6:
		return frame[nextHeaderAt] == unix.IPPROTO_TCP || frame[nextHeaderAt] == unix.IPPROTO_UDP
	}
	return false
}

// Wait waits for a packet, for some milliseconds.
func (r *Relay) Wait(ms int) error {
	var fds []unix.PollFd
	for _, fd := range r.FDs() {
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	if _, err := unix.Poll(fds, ms); err != nil && !errors.Is(err, unix.EINTR) {
		return os.NewSyscallError("poll", err)
	}
	return nil
}

// Forward passes a frame on to the other side. It returns when that side's kernel has processed it, unless a system call of another thread
// uses its socket.
func (r *Relay) Forward(f *Frame) error {
	w := &r.wires[f.From.Other()]
	if _, err := unix.Write(w.fd, f.Data); err != nil {
		return os.NewSyscallError("write", err)
	}
	return w.await(&r.mark)
}

// await sends a mark behind the packets before it, and waits until it has come through.
func (w *wire) await(mark *uint64) error {
	*mark++
	frame := make([]byte, 60)
	copy(frame, w.mac[:])
	copy(frame[6:], w.mac[:])
	binary.BigEndian.PutUint16(frame[12:], protocolMark)
	binary.BigEndian.PutUint64(frame[EthernetHeader:], *mark)
	if _, err := unix.Write(w.fd, frame); err != nil {
		return os.NewSyscallError("write", err)
	}
	buf := make([]byte, len(frame))
	for deadline := time.Now().Add(markTimeout); ; {
		n, err := unix.Read(w.echo, buf)
		switch {
		case err == nil && n >= EthernetHeader+8 && binary.BigEndian.Uint64(buf[EthernetHeader:]) == *mark:
			return nil
		case err == nil, errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EAGAIN):
			return os.NewSyscallError("read", err)
		}
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("the kernel took more than %v to process a packet", markTimeout)
		}
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(w.echo), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
	}
}

// Close closes the relay. Packets sent afterwards are lost.
func (r *Relay) Close() error {
	var errs []error
	for i := range r.wires {
		for _, fd := range []*int{&r.wires[i].fd, &r.wires[i].echo} {
			if *fd >= 0 {
				errs = append(errs, os.NewSyscallError("close", unix.Close(*fd)))
				*fd = -1
			}
		}
	}
	return errors.Join(errs...)
}

// whileRelayed calls f while a relay forwards everything.
func (s *Sandbox) whileRelayed(f func() error) error {
	over, opened, done := make(chan struct{}), make(chan error, 1), make(chan error, 1)
	go func() {
		done <- netns.OnOwnThread(func() error {
			r, err := s.OpenRelay()
			opened <- err
			if err != nil {
				return nil // said already
			}
			return errors.Join(r.forwardAll(over), r.Close())
		})
	}()
	err := <-opened
	if err == nil {
		err = f()
	}
	close(over)
	return errors.Join(err, <-done)
}

// forwardAll forwards until over is closed.
func (r *Relay) forwardAll(over <-chan struct{}) error {
	const pause = 20 // ms
	var frames []Frame
	for {
		select {
		case <-over:
			return nil
		default:
		}
		err := r.Wait(pause)
		if err != nil {
			return err
		}
		if frames, err = r.Receive(frames[:0]); err != nil {
			return err
		}
		for i := range frames {
			if err := r.Forward(&frames[i]); err != nil {
				return err
			}
		}
	}
}
