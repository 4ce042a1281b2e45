package drain

import (
	"maps"
	"net/netip"
	"slices"

	"lastack/bench/process"
	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
)

// owners looks up which server has each connection that is still open, by its client's address; nil: not known.
func (w *watch) owners() map[netip.AddrPort]owner {
	if !w.server.local() && w.next == nil || w.server.behind {
		return nil
	}
	inodes := make(map[uint64]netip.AddrPort)
	filter := w.filter()
	err := w.server.diag.Each(filter, func(s *sockdiag.Socket) {
		if side, ok := filter.Side(s.Tuple); ok && side == sockstate.Server && s.State == sockstate.Established && s.Inode != 0 {
			inodes[s.Inode] = s.Tuple.Remote
		}
	})
	if err != nil || len(inodes) == 0 {
		return nil
	}
	// If one of the two cannot be read, its processes are not recognized.
	var next, old []int
	if w.next != nil {
		next, _ = w.next.proc.Tree()
	}
	if w.server.proc != nil {
		old, _ = w.server.proc.Tree()
	}
	who := process.Owners(slices.Concat(w.server.pids, old, next), slices.Collect(maps.Keys(inodes)))
	owners := make(map[netip.AddrPort]owner, len(who))
	for inode, pid := range who {
		o := ownerNew // of the restart, or a reload's new worker
		if !slices.Contains(next, pid) && slices.Contains(w.server.pids, pid) {
			o = ownerOld
		}
		owners[plainAddr(inodes[inode])] = o
	}
	return owners
}
