package sandbox

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockdiag"
)

// relayJobs forward packets one by one.
var relayJobs = map[string]Func{
	"relay": func(_ context.Context, s *Sandbox, _ json.RawMessage, _ func(any)) (seen any, err error) {
		err = netns.OnOwnThread(func() error {
			seen, err = relayed(s)
			return err
		})
		return seen, err
	},
	"whole": func(_ context.Context, s *Sandbox, _ json.RawMessage, _ func(any)) (any, error) { return relayMuch(s) },
}

// relayed opens a connection and resets it, and returns each packet with the states of both ends after it.
func relayed(s *Sandbox) (seen []string, err error) {
	r, err := s.OpenRelay()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var diags [2]*sockdiag.Conn
	for i, ns := range []*netns.NS{s.Client, s.Server} {
		if diags[i], err = sockdiag.Open(ns); err != nil {
			return nil, err
		}
		defer diags[i].Close()
	}
	l, err := listenIn(s.Server, s.ServerAddr4)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	type dialled struct {
		conn net.Conn
		err  error
	}
	opened := make(chan dialled, 1)
	go func() {
		conn, err := dialIn(s.Client, l.Addr().String())
		opened <- dialled{conn, err}
	}()
	var frames []Frame
	for len(seen) < 4 {
		if len(seen) == 3 {
			d := <-opened
			if d.err != nil {
				return nil, d.err
			}
			if err := errors.Join(d.conn.(*net.TCPConn).SetLinger(0), d.conn.Close()); err != nil {
				return nil, err
			}
		}
		if err := r.Wait(1000); err != nil {
			return nil, err
		}
		if frames, err = r.Receive(frames[:0]); err != nil {
			return nil, err
		}
		for i := range frames {
			f := &frames[i]
			t := tupleOf(f.Packet())
			if err := checkPacket(f.Packet()); err != nil {
				return nil, err
			}
			if err := r.Forward(f); err != nil {
				return nil, err
			}
			if f.From == sockstate.Server {
				t.Local, t.Remote = t.Remote, t.Local
			}
			flags := f.Packet()[33]
			// What the other end did to the packet is to be seen at once.
			from := sockstate.Tuple{Local: t.Remote, Remote: t.Local}
			if f.From == sockstate.Server {
				from.Local, from.Remote = from.Remote, from.Local
			}
			state, ok, err := diags[f.From.Other()].Find(from)
			if err != nil {
				return nil, err
			}
			is := "none"
			if ok {
				is = state.State.String()
			}
			seen = append(seen, fmt.Sprintf("%v %#x: the %v is %v", f.From, flags, f.From.Other(), is))
		}
	}
	return seen, nil
}

func listenIn(ns *netns.NS, a netip.Addr) (l net.Listener, err error) {
	err = ns.Do(func() (err error) {
		l, err = net.Listen("tcp4", netip.AddrPortFrom(a, 0).String())
		return err
	})
	return l, err
}

func dialIn(ns *netns.NS, addr string) (conn net.Conn, err error) {
	err = ns.Do(func() (err error) {
		conn, err = net.DialTimeout("tcp4", addr, proveTimeout)
		return err
	})
	return conn, err
}

func tupleOf(p []byte) sockstate.Tuple {
	return sockstate.Tuple{
		Local:  netip.AddrPortFrom(netip.AddrFrom4([4]byte(p[12:16])), binary.BigEndian.Uint16(p[20:])),
		Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte(p[16:20])), binary.BigEndian.Uint16(p[22:])),
	}
}

// checkPacket refuses a packet with a wrong checksum, or one that is larger than a wire carries.
func checkPacket(p []byte) error {
	const mtu = 1500
	n := int(binary.BigEndian.Uint16(p[2:]))
	if n > mtu || n > len(p) {
		return fmt.Errorf("a packet of %d bytes, in a frame of %d", n, len(p))
	}
	tcp := p[20:n]
	sum := uint32(unix.IPPROTO_TCP) + uint32(len(tcp))
	for _, part := range [][]byte{p[12:20], tcp} {
		for i := 0; i < len(part); i += 2 {
			word := uint32(part[i]) << 8
			if i+1 < len(part) {
				word |= uint32(part[i+1])
			}
			sum += word
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	if sum != 0xffff {
		return fmt.Errorf("a checksum that is off: %#x", sum)
	}
	return nil
}

// relayMuch sends many packets' worth of data, of which each must have a checksum and a wire's size.
func relayMuch(s *Sandbox) (int, error) {
	const size = 300_000
	l, err := listenIn(s.Server, s.ServerAddr4)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	received := 0
	err = s.whileRelayed(func() error {
		conn, err := dialIn(s.Client, l.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		peer, err := l.Accept()
		if err != nil {
			return err
		}
		defer peer.Close()
		go func() {
			_, _ = conn.Write(make([]byte, size)) // the reader counts
			_ = conn.Close()
		}()
		n, err := io.Copy(io.Discard, peer)
		received = int(n)
		return err
	})
	return received, err
}

func TestRelay(t *testing.T) {
	everywhere(t, func(t *testing.T, mode Mode) {
		spec := Spec{Mode: mode, Topology: Relayed, Sysctls: []Sysctl{{"net.ipv4.tcp_fin_timeout", "7"}}}
		seen, cell := resultOf[[]string](t, spec, Job{Name: "relay"})
		want := []string{
			"client 0x2: the server is SYN_RECV",
			"server 0x12: the client is ESTABLISHED",
			"client 0x10: the server is ESTABLISHED",
			"client 0x14: the server is none",
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("packets (-want +got):\n%s", diff)
		}
		if got := cell.Status(); got.Topology != string(Relayed) || got.Mode != string(mode) {
			t.Errorf("status %+v", got)
		}
		n, _ := resultOf[int](t, spec, Job{Name: "whole"})
		if n != 300_000 {
			t.Errorf("%d bytes came through", n)
		}
	})
}

func TestRelayNeedsItsTopology(t *testing.T) {
	if _, err := (&Sandbox{Topology: Veth}).OpenRelay(); err == nil || err.Error() != "the topology veth has no relay" {
		t.Errorf("error %v", err)
	}
	_, err := Start(t.Context(), Spec{Topology: Relayed, Sources: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}, Job{Name: "relay", Grace: time.Second})
	skipDenied(t, err)
	if e, ok := errors.AsType[*Error](err); !ok || e.step != stepSources {
		t.Errorf("further sources: %v", err)
	}
}
