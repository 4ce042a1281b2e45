package sandbox

import (
	"errors"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Packets are dropped on arrival (the input hook), not on output: a packet dropped on
// output is an error to the sending TCP (tcp_write_xmit stops and tries again); a lost one
// is not.

const tableName = "lastack"

// addLoss makes every end drop a share of the TCP packets that arrive:
//
//	iifname "lo" meta l4proto tcp counter numgen random mod 1000000 < N counter drop
func (s *Sandbox) addLoss(l Loss) error {
	if l == 0 {
		return nil
	}
	for _, e := range s.ends {
		err := e.withTables(func(c *nftables.Conn, t *nftables.Table) {
			chain := inputChain(c, t, "loss")
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
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// withTables runs f with nftables of the end's namespace and lastack's table, which it
// makes if needed, and then commits what f queued, all or nothing.
func (e end) withTables(f func(*nftables.Conn, *nftables.Table)) error {
	return e.ns.Do(func() error {
		c, err := nftables.New(nftables.AsLasting())
		if err != nil {
			return err
		}
		f(c, c.AddTable(&nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}))
		return errors.Join(c.Flush(), c.CloseLasting())
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
