package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
)

// packetJobs drop packets.
var packetJobs = map[string]Func{
	"blackhole": simultaneousClose,
	"orphans":   leaveOrphans,
	"lose":      lose,
}

// simultaneousClose returns the states that both ends go through when neither FIN
// arrives at first: client, server.
func simultaneousClose(_ context.Context, s *Sandbox, _ json.RawMessage, _ func(any)) (any, error) {
	var seen []string
	see := func(args ...any) { seen = append(seen, strings.TrimSuffix(fmt.Sprintln(args...), "\n")) }
	client, peer, err := s.connect(netip.Addr{}, s.ServerAddr4)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	defer peer.Close()

	liftClient, err := blackhole(s, sockstate.Client)
	if err != nil {
		return nil, err
	}
	liftServer, err := blackhole(s, sockstate.Server)
	if err != nil {
		return nil, err
	}
	if err := client.CloseWrite(); err != nil {
		return nil, err
	}
	if err := peer.CloseWrite(); err != nil {
		return nil, err
	}
	see(tcpState(client), tcpState(peer))

	if err := liftServer(); err != nil {
		return nil, err
	}
	if err := reach(peer, sockstate.Closing); err != nil {
		return nil, err
	}
	see(tcpState(client), tcpState(peer))

	if err := liftClient(); err != nil {
		return nil, err
	}
	if err := liftClient(); err != nil {
		return nil, fmt.Errorf("lifted twice: %w", err)
	}
	// A full socket in TIME_WAIT reads as closed.
	for _, c := range []*net.TCPConn{client, peer} {
		if err := reach(c, sockstate.Closed); err != nil {
			return nil, err
		}
	}
	for _, e := range s.ends {
		err := e.ns.Do(func() error {
			see(e.link, readSockstat("TCP:", "tw"))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// blackholes numbers the chains.
var blackholes int

// blackhole drops every packet that arrives at the given sides of a veth pair, or at both if none is given, until lift is called. TCP
// retransmits the lost packets. lift may be called more than once.
//
// A simultaneous close, step by step: a blackhole at each side, close both ends (both are
// in FIN_WAIT_1), lift the server's: the client's FIN comes again, and the server is in
// CLOSING until the client's is lifted too.
func blackhole(s *Sandbox, at ...sockstate.Side) (lift func() error, err error) {
	ends := s.ends
	if len(at) > 0 {
		ends = nil
		for _, side := range at {
			ends = append(ends, s.ends[side])
		}
	}
	blackholes++
	name := fmt.Sprintf("blackhole%d", blackholes)
	for _, e := range ends {
		err = errors.Join(err, e.withTables(func(c *nftables.Conn, t *nftables.Table) {
			c.AddRule(&nftables.Rule{
				Table: t, Chain: inputChain(c, t, name),
				Exprs: append(arrivesOn(e.link), &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}),
			})
		}))
	}
	return sync.OnceValue(func() (err error) {
		for _, e := range ends {
			err = errors.Join(err, e.withTables(func(c *nftables.Conn, t *nftables.Table) {
				chain := &nftables.Chain{Name: name, Table: t}
				c.FlushChain(chain)
				c.DelChain(chain)
			}))
		}
		return err
	}), err
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

// leaveOrphans returns the number of orphans of each side, before close and after it.
func leaveOrphans(_ context.Context, s *Sandbox, _ json.RawMessage, _ func(any)) (any, error) {
	var seen [][]int
	var diags []*sockdiag.Conn
	for _, ns := range s.namespaces() {
		c, err := sockdiag.Open(ns)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		diags = append(diags, c)
	}
	count := func() error {
		var n []int
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
		seen = append(seen, n)
		return nil
	}

	var conns []*net.TCPConn
	for range 100 {
		client, peer, err := s.connect(netip.Addr{}, s.ServerAddr4)
		if err != nil {
			return nil, err
		}
		conns = append(conns, client, peer)
	}
	if _, err := blackhole(s); err != nil {
		return nil, err
	}
	for _, c := range conns {
		if err := c.Close(); err != nil {
			return nil, err
		}
	}
	if err := count(); err != nil {
		return nil, err
	}
	if err := s.close(); err != nil {
		return nil, err
	}
	err := count()
	return seen, err
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

// readSockstat reads one number of the calling thread's /proc/net/sockstat.
func readSockstat(line, key string) string {
	for l := range strings.Lines(readTrimmed("/proc/thread-self/net/sockstat")) {
		if rest, ok := strings.CutPrefix(l, line); ok {
			f := strings.Fields(rest)
			for i := 0; i+1 < len(f); i += 2 {
				if f[i] == key {
					return f[i+1]
				}
			}
		}
	}
	return ""
}
