package sandbox

import (
	"errors"
	"fmt"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// Packets are dropped on arrival (the input hook), not on output: a packet dropped on
// output is an error to the sending TCP (tcp_write_xmit stops and tries again); a lost one
// is not.

const (
	tableName = "lastack"
	lossChain = "loss"
)

// addLoss makes every end drop a share of the TCP packets that arrive:
//
//	iifname "lo" meta l4proto tcp counter numgen random mod 1000000 < N counter drop
func (s *Sandbox) addLoss(l Loss) error {
	for _, e := range s.ends {
		err := e.withTables(func(c *nftables.Conn, t *nftables.Table) error {
			chain := inputChain(c, t, lossChain)
			exprs := append(arrivesOn(e.link),
				&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
				&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
				&expr.Counter{},
				&expr.Numgen{Register: 1, Type: unix.NFT_NG_RANDOM, Modulus: lossModulus},
				// nft_cmp compares bytes, the first one first.
				&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
				&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binaryutil.BigEndian.PutUint32(l.threshold())},
				&expr.Counter{},
				&expr.Verdict{Kind: expr.VerdictDrop},
			)
			c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: exprs})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Blackhole drops every packet that arrives at the given sides, or at both if none is
// given, until lift is called. TCP retransmits the lost packets. lift may be called more
// than once. Only Veth can drop for one side. It needs nftables in the kernel.
//
// A simultaneous close, step by step: Blackhole each side, close both ends (both are
// in FIN_WAIT_1), lift the server's: the client's FIN comes again, and the server is in
// CLOSING until the client's is lifted too.
func (s *Sandbox) Blackhole(at ...sockstate.Side) (lift func() error, err error) {
	ends := s.ends
	if len(at) > 0 && s.Topology != Veth {
		return nil, &Error{step: stepLoss, Mode: s.Mode, Err: errors.New("one link carries both sides with topology lo, so it cannot drop for one of them")}
	}
	if len(at) > 0 {
		ends = nil
		for _, side := range at {
			ends = append(ends, s.ends[side])
		}
	}
	s.mu.Lock()
	s.blackholes++
	name := fmt.Sprintf("blackhole%d", s.blackholes)
	s.mu.Unlock()

	lift = sync.OnceValue(func() error {
		var errs []error
		for _, e := range ends {
			errs = append(errs, e.withTables(func(c *nftables.Conn, t *nftables.Table) error {
				chain := &nftables.Chain{Name: name, Table: t}
				c.FlushChain(chain)
				c.DelChain(chain)
				return nil
			}))
		}
		if err := errors.Join(errs...); err != nil {
			return &Error{step: stepLoss, Mode: s.Mode, Err: err}
		}
		return nil
	})
	for _, e := range ends {
		err := e.withTables(func(c *nftables.Conn, t *nftables.Table) error {
			c.AddRule(&nftables.Rule{
				Table: t, Chain: inputChain(c, t, name),
				Exprs: append(arrivesOn(e.link), &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}),
			})
			return nil
		})
		if err != nil {
			_ = lift() // removes a part; err matters more
			return nil, &Error{step: stepLoss, Mode: s.Mode, Err: err}
		}
	}
	return lift, nil
}

// withTables runs f with nftables of the end's namespace and lastack's table, which it
// makes if needed, and then commits what f queued, all or nothing.
func (e end) withTables(f func(*nftables.Conn, *nftables.Table) error) error {
	return e.ns.Do(func() error {
		c, err := nftables.New(nftables.AsLasting())
		if err != nil {
			return err
		}
		err = f(c, c.AddTable(&nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}))
		if err == nil {
			err = c.Flush()
		}
		return errors.Join(err, c.CloseLasting())
	})
}

func inputChain(c *nftables.Conn, t *nftables.Table, name string) *nftables.Chain {
	return c.AddChain(&nftables.Chain{
		Name: name, Table: t, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
	})
}

// arrivesOn matches packets received on link.
func arrivesOn(link string) []expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, link)
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name},
	}
}
