package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// lose sends a byte and back on many short connections side by side, so that their
// retransmission timers run at the same time: a second loss on the same connection
// would cost seconds, once a lost handshake packet has spoilt its estimate of the RTT.
func lose(_ context.Context, s *Sandbox, _ json.RawMessage, _ func(any)) (any, error) {
	const conns = 100
	errs := make(chan error, conns)
	for range conns {
		go func() { errs <- s.pingPong() }()
	}
	var all []error
	for range conns {
		all = append(all, <-errs)
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return lossCounts(s)
}

func (s *Sandbox) pingPong() error {
	client, peer, err := s.connect(netip.Addr{}, s.ServerAddr4)
	if err != nil {
		return err
	}
	defer client.Close()
	defer peer.Close()
	b := make([]byte, 1)
	for _, p := range [][2]*net.TCPConn{{client, peer}, {peer, client}} {
		if _, err := p[0].Write(b); err != nil {
			return err
		}
		if _, err := io.ReadFull(p[1], b); err != nil {
			return err
		}
	}
	return nil
}

// packets counts TCP packets that arrived at either end. A packet is what one stack
// handed to the other: with offloads, up to 64 KiB of segments.
type packets struct {
	Arrived uint64 // dropped ones included
	Dropped uint64
}

// lossCounts reads what the rules of Spec.Loss counted so far, both ends together.
func lossCounts(s *Sandbox) (packets, error) {
	var p packets
	for _, e := range s.ends {
		var rules []*nftables.Rule
		var unread error
		err := e.withTables(func(c *nftables.Conn, t *nftables.Table) {
			rules, unread = c.GetRules(t, &nftables.Chain{Name: "loss", Table: t})
		})
		if err := errors.Join(err, unread); err != nil {
			return packets{}, err
		}
		for _, r := range rules {
			var counts []uint64
			for _, x := range r.Exprs {
				if n, ok := x.(*expr.Counter); ok {
					counts = append(counts, n.Packets)
				}
			}
			if len(counts) != 2 {
				return packets{}, fmt.Errorf("the rule of the loss has %d counters, want 2", len(counts))
			}
			p.Arrived += counts[0]
			p.Dropped += counts[1]
		}
	}
	return p, nil
}
