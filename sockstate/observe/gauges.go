package observe

import (
	"errors"
	"os"
)

// gauges reads all gauges.
func (o *Observer) gauges(g *Gauges) {
	*g = Gauges{
		TimeWait: Unknown, Orphans: Unknown, TCPMem: Unknown, Conntrack: Unknown,
		Fds: Unknown, Files: Unknown, RSSPeak: Unknown, ServerFds: Unknown, ServerRSS: Unknown,
	}
	for _, n := range o.namespaces {
		n.gauges(g)
	}
	if fds, err := o.self.FileDescriptorsLen(); err == nil {
		g.Fds = int64(fds)
	}
	if nr, err := o.proc.SysctlInts("fs.file-nr"); err == nil && len(nr) > 0 {
		g.Files = int64(nr[0])
	}
	if status, err := o.self.NewStatus(); err == nil && status.VmHWM > 0 {
		g.RSSPeak = int64(status.VmHWM)
	}
	if o.server != 0 {
		o.serverGauges(g)
	}
}

// gauges raises g to one namespace's values, and sets the whole host's.
func (n *namespace) gauges(g *Gauges) {
	s := sockstat{Unknown, Unknown, Unknown}
	if n.sockstat != nil {
		n.lacks(sockstatFile, parseFile(n.sockstat, func(r *reader) error { return parseSockstat(r, &s) }))
	}
	g.TimeWait = max(g.TimeWait, s.tw)
	g.Orphans = max(g.Orphans, s.orphan)
	if s.mem != Unknown {
		g.TCPMem = s.mem * int64(os.Getpagesize())
	}
	if n.conntrack != nil {
		count, err := readInt(n.conntrack)
		n.lacks("net.netfilter.nf_conntrack_count", err)
		g.Conntrack = max(g.Conntrack, count)
	}
}

// add adds v unless it is Unknown.
func add(sum *int64, v int64) {
	switch {
	case v == Unknown:
	case *sum == Unknown:
		*sum = v
	default:
		*sum += v
	}
}

// serverGauges sums over the server's processes. If one hides its descriptors, their number
// is Unknown.
func (o *Observer) serverGauges(g *Gauges) {
	hidden := false
	for _, p := range o.serverProcesses() {
		if stat, err := p.Stat(); err == nil {
			add(&g.ServerRSS, int64(stat.ResidentMemory()))
		}
		switch fds, err := p.FileDescriptorsLen(); {
		case err == nil:
			add(&g.ServerFds, int64(fds))
		case errors.Is(err, os.ErrPermission):
			hidden = true
		}
	}
	if hidden {
		g.ServerFds = Unknown
	}
}
