package sandbox

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
)

// simultaneousClose prints the states that both ends go through when neither FIN
// arrives at first: client, server.
func simultaneousClose(s *Sandbox) (int, error) {
	client, peer, err := s.connect(netip.Addr{}, s.ServerAddr4)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	defer peer.Close()

	liftClient, err := s.Blackhole(sockstate.Client)
	if err != nil {
		return 0, err
	}
	liftServer, err := s.Blackhole(sockstate.Server)
	if err != nil {
		return 0, err
	}
	if err := client.CloseWrite(); err != nil {
		return 0, err
	}
	if err := peer.CloseWrite(); err != nil {
		return 0, err
	}
	fmt.Println(tcpState(client), tcpState(peer))

	if err := liftServer(); err != nil {
		return 0, err
	}
	if err := reach(peer, sockstate.Closing); err != nil {
		return 0, err
	}
	fmt.Println(tcpState(client), tcpState(peer))

	if err := liftClient(); err != nil {
		return 0, err
	}
	if err := liftClient(); err != nil {
		return 0, fmt.Errorf("lifted twice: %w", err)
	}
	// A full socket in TIME_WAIT reads as closed.
	for _, c := range []*net.TCPConn{client, peer} {
		if err := reach(c, sockstate.Closed); err != nil {
			return 0, err
		}
	}
	for _, e := range s.ends {
		err := e.ns.Do(func() error {
			fmt.Println(e.link, readSockstat("TCP:", "tw"))
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// reach waits for a state; the retransmission that brings it doubles its interval
// from 200 ms on.
func reach(c *net.TCPConn, want sockstate.State) error {
	deadline := time.Now().Add(time.Minute)
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for tcpState(c) != want {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s, want %s", tcpState(c), want)
		}
		<-poll.C
	}
	return nil
}

// leaveOrphans prints the number of orphans of each side, before Close and after it.
func leaveOrphans(s *Sandbox) (int, error) {
	var diags []*sockdiag.Conn
	for _, ns := range s.namespaces() {
		c, err := sockdiag.Open(ns)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		diags = append(diags, c)
	}
	count := func() error {
		var n []any
		for _, c := range diags {
			orphans := 0
			err := c.Each(nil, func(s *sockdiag.Socket) {
				if isOrphan(&s.Socket) {
					orphans++
				}
			})
			if err != nil {
				return err
			}
			n = append(n, orphans)
		}
		fmt.Println(n...)
		return nil
	}

	var conns []*net.TCPConn
	for range 100 {
		client, peer, err := s.connect(netip.Addr{}, s.ServerAddr4)
		if err != nil {
			return 0, err
		}
		conns = append(conns, client, peer)
	}
	if _, err := s.Blackhole(); err != nil {
		return 0, err
	}
	for _, c := range conns {
		if err := c.Close(); err != nil {
			return 0, err
		}
	}
	if err := count(); err != nil {
		return 0, err
	}
	if err := s.Close(); err != nil {
		return 0, err
	}
	return 0, count()
}

func tcpState(c *net.TCPConn) (state sockstate.State) {
	conn, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	_ = conn.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			state = sockstate.State(info.State)
		}
	})
	return state
}
