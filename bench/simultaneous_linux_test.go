package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/bench/sandbox"
	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/procnet"
	"lastack/sockstate/sockdiag"
)

// step is what each census saw of the two ends, client and server.
type step struct {
	When               string
	Diag, Proc, ByHand [sockstate.NumSides]string
}

// Both FINs are held back until both are sent, and then cross: each side goes through
// CLOSING into TIME_WAIT.
func TestSimultaneousClose(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"root", "nobody"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f := carryOut(t, mode, trial{Spec: sandbox.Spec{Topology: sandbox.Veth}, Simultaneous: true})
			var want []step
			for _, s := range [][2]string{{"both FINs are held back", "FIN_WAIT_1"}, {"each has the other's FIN, and no ACK of its own", "CLOSING"}, {"the ACKs have come", "TIME_WAIT"}} {
				both := [sockstate.NumSides]string{s[1], s[1]}
				want = append(want, step{s[0], both, both, both})
			}
			if diff := cmp.Diff(want, f.Steps); diff != "" {
				t.Errorf("client's and server's state (-want +got):\n%s", diff)
			}
		})
	}
}

// end is one end of the connection.
type end struct {
	ns   *netns.NS
	link string
	fd   int
	// tap sees what arrives on the link, dropped later on or not; send injects.
	tap int
	// fin is the frame of the peer's first FIN.
	fin []byte
}

// simultaneousClose keeps all that arrives from either end's socket while both close, and keeps each
// end's first FIN, which acknowledges none of the other. Retransmissions would acknowledge
// what has arrived meanwhile, so it is the kept FINs that are delivered in the end.
func simultaneousClose(s *sandbox.Sandbox, f *finding) error {
	ends, server, err := connect(s)
	if err != nil {
		return err
	}
	note := func(when, want string) error {
		st := step{When: when}
		err := poll(func() (done bool, err error) {
			st, err = look(ends, server, when)
			both := [sockstate.NumSides]string{want, want}
			return st.Diag == both && st.Proc == both && st.ByHand == both, err
		})
		f.Steps = append(f.Steps, st)
		return err
	}

	for i := range ends {
		if err := ends[i].filter(unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}); err != nil {
			return err
		}
	}
	for i := range ends {
		if err := unix.Shutdown(ends[i].fd, unix.SHUT_WR); err != nil {
			return os.NewSyscallError("shutdown", err)
		}
	}
	for i := range ends {
		if err := ends[i].keepFIN(); err != nil {
			return err
		}
	}
	if err := note("both FINs are held back", "FIN_WAIT_1"); err != nil {
		return err
	}

	for i := range ends {
		if err := ends[i].refuseACKs(); err != nil {
			return err
		}
	}
	for i := range ends {
		// What arrived at this end is sent from the other.
		if _, err := unix.Write(ends[1-i].tap, ends[i].fin); err != nil {
			return os.NewSyscallError("send a frame", err)
		}
	}
	if err := note("each has the other's FIN, and no ACK of its own", "CLOSING"); err != nil {
		return err
	}

	for i := range ends {
		if err := unix.SetsockoptInt(ends[i].fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil {
			return os.NewSyscallError("setsockopt SO_DETACH_FILTER", err)
		}
	}
	return note("the ACKs have come", "TIME_WAIT")
}

// connect opens a connection across the sandbox, with a tap at each end. Its sockets
// live as long as the process.
func connect(s *sandbox.Sandbox) (ends [sockstate.NumSides]end, server netip.AddrPort, err error) {
	spaces := [sockstate.NumSides]*netns.NS{s.Client, s.Server}
	links := [sockstate.NumSides]string{"client", "server"}
	for i := range ends {
		ends[i] = end{ns: spaces[i], link: links[i]}
		if err := ends[i].open(); err != nil {
			return ends, server, err
		}
	}
	at := &unix.SockaddrInet4{Addr: s.ServerAddr4.As4(), Port: 7777}
	server = netip.AddrPortFrom(s.ServerAddr4, 7777)
	listener := ends[1].fd
	if err := errors.Join(unix.Bind(listener, at), unix.Listen(listener, 1)); err != nil {
		return ends, server, err
	}
	if err := unix.Connect(ends[0].fd, at); err != nil {
		return ends, server, os.NewSyscallError("connect", err)
	}
	if ends[1].fd, _, err = unix.Accept4(listener, unix.SOCK_CLOEXEC); err != nil {
		return ends, server, os.NewSyscallError("accept", err)
	}
	return ends, server, unix.Close(listener)
}

func (e *end) open() error {
	return e.ns.Do(func() (err error) {
		if e.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return os.NewSyscallError("socket", err)
		}
		link, err := net.InterfaceByName(e.link)
		if err != nil {
			return err
		}
		const ipv4 = unix.ETH_P_IP<<8&0xff00 | unix.ETH_P_IP>>8 // htons
		if e.tap, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, ipv4); err != nil {
			return os.NewSyscallError("socket AF_PACKET", err)
		}
		if err := unix.SetsockoptTimeval(e.tap, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 60}); err != nil {
			return os.NewSyscallError("setsockopt SO_RCVTIMEO", err)
		}
		return os.NewSyscallError("bind AF_PACKET", unix.Bind(e.tap, &unix.SockaddrLinklayer{Protocol: ipv4, Ifindex: link.Index}))
	})
}

// keepFIN reads the peer's first FIN from the tap.
func (e *end) keepFIN() error {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := unix.Recvfrom(e.tap, buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("no FIN came by %s: %w", e.link, err)
		}
		const fin = 1
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_HOST && tcp(buf[:n])[13]&fin != 0 {
			e.fin = slices.Clone(buf[:n])
			checksum(e.fin)
			return nil
		}
	}
}

const etherHeader = 14

// tcp is the TCP header of a frame.
func tcp(frame []byte) []byte {
	ip := frame[etherHeader:]
	return ip[4*int(ip[0]&15) : binary.BigEndian.Uint16(ip[2:])]
}

// checksum fills in TCP's checksum (RFC 9293, section 3.1), which the kernel had left to the link.
func checksum(frame []byte) {
	ip, t := frame[etherHeader:], tcp(frame)
	t[16], t[17] = 0, 0
	add := uint32(unix.IPPROTO_TCP) + uint32(len(t))
	for _, b := range [][]byte{ip[12:20], t} { // the addresses, the segment: an even number of bytes without data
		for i := 0; i < len(b); i += 2 {
			add += uint32(binary.BigEndian.Uint16(b[i:]))
		}
	}
	for add > 0xffff {
		add = add&0xffff + add>>16
	}
	binary.BigEndian.PutUint16(t[16:], ^uint16(add))
}

// refuseACKs lets through to the socket only what acknowledges as much as the peer's first FIN
// does, which is not this end's.
func (e *end) refuseACKs() error {
	const acknowledgment = 8 // offset in the TCP header, where a socket filter's packet starts
	return e.filter(
		unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: acknowledgment},
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: binary.BigEndian.Uint32(tcp(e.fin)[acknowledgment:])},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	)
}

// filter lets code decide what reaches the socket.
func (e *end) filter(code ...unix.SockFilter) error {
	err := unix.SetsockoptSockFprog(e.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
	return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", err)
}

// look takes a census of each namespace by sock_diag, by /proc, and by the test's own reader.
func look(ends [sockstate.NumSides]end, server netip.AddrPort, when string) (step, error) {
	st := step{When: when}
	filter := &sockstate.Filter{Servers: []netip.AddrPort{server}}
	for side, e := range ends {
		diag, err := sockdiag.Open(e.ns)
		if err != nil {
			return st, err
		}
		defer diag.Close()
		proc, err := procnet.Open(e.ns)
		if err != nil {
			return st, err
		}
		defer proc.Close()
		for _, source := range []struct {
			sockstate.Source
			into *string
		}{{diag, &st.Diag[side]}, {proc, &st.Proc[side]}} {
			var c sockstate.Census
			if err := source.Census(filter, &c); err != nil {
				return st, err
			}
			*source.into = only(states(&c.Count[side]))
		}
		byHand, err := inEach([]*netns.NS{e.ns}, readStates)
		if err != nil {
			return st, err
		}
		st.ByHand[side] = only(byHand[0])
	}
	return st, nil
}

// only names the state of the one socket.
func only(m map[string]int) string {
	for state, n := range m {
		if n == 1 && len(m) == 1 {
			return state
		}
	}
	return fmt.Sprint(m)
}

// poll calls f until it is done, for a minute at most: the retransmission that brings a state
// doubles its interval each time.
func poll(f func() (bool, error)) error {
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := f()
		if done || err != nil || time.Now().After(deadline) {
			return err
		}
		<-tick.C
	}
}
