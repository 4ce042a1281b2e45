package sockstate

import (
	"net/netip"
	"strconv"
	"time"
)

// Reuse says when connect takes over the local port of a TIME_WAIT, as the kernel decides it (tcp_twsk_unique). The zero value
// never does.
type Reuse struct {
	// Mode is net.ipv4.tcp_tw_reuse: 0 off, 1 on, 2 on loopback only.
	Mode int
	// Timestamps is net.ipv4.tcp_timestamps. Without them the peer could not tell segments of the old connection from the new one's,
	// so connect takes over none.
	Timestamps bool
	// Delay is net.ipv4.tcp_tw_reuse_delay, the least age. Kernels without that sysctl count whole seconds: up to 1 s.
	Delay time.Duration
}

// The sysctls of Reuse.
const (
	ReuseSysctl      = "net.ipv4.tcp_tw_reuse"
	ReuseDelaySysctl = "net.ipv4.tcp_tw_reuse_delay"
	timestampsSysctl = "net.ipv4.tcp_timestamps"
)

// ReuseOf reads a namespace's rule from its sysctls.
func ReuseOf(sysctls map[string]string) Reuse {
	r := Reuse{Timestamps: sysctls[timestampsSysctl] != "0", Delay: time.Second}
	r.Mode, _ = strconv.Atoi(sysctls[ReuseSysctl]) // 0 if unknown
	if ms, err := strconv.Atoi(sysctls[ReuseDelaySysctl]); err == nil {
		r.Delay = time.Duration(ms) * time.Millisecond
	}
	return r
}

// Asked reports whether Mode is on for connections on loopback, or for others.
func (r Reuse) Asked(loopback bool) bool { return r.Mode == 1 || r.Mode == 2 && loopback }

// On reports whether connect takes over ports on loopback, or elsewhere.
func (r Reuse) On(loopback bool) bool { return r.Timestamps && r.Asked(loopback) }

// takes reports whether connect would take over the port of s now. It assumes that the peer of s had timestamps too.
func (r Reuse) takes(s *Socket) bool {
	return s.State == TimeWait && s.age() > r.Delay && r.OnPair(Pair{s.Tuple.Local.Addr(), s.Tuple.Remote})
}

// OnPair reports whether connect takes over ports of a pair.
func (r Reuse) OnPair(p Pair) bool {
	return r.On(onLoopback(p.Source) || onLoopback(p.Destination.Addr()))
}

func onLoopback(a netip.Addr) bool { return a.Unmap().IsLoopback() }
