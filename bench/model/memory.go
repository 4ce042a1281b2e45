package model

import (
	"math"
	"strings"

	"lastack/bench/quantity"
	"lastack/sockstate"
)

// Memory is the kernel's memory for one object, in bytes, the slabs' own loss included.
type Memory struct {
	// Socket is an idle socket with its file: TCP, sock_inode_cache, filp, dentry.
	Socket int64
	// TimeWait is a minisocket: tw_sock_TCP, and at the client two bind buckets (tcp_bind_bucket, tcp_bind2_bucket).
	TimeWait [sockstate.NumSides]int64
	// Request is a handshake in progress: request_sock_TCP.
	Request int64
	// Tracked is an entry of connection tracking: nf_conntrack.
	Tracked int64
	// Margin is the share by which all that may be wrong.
	Margin float64
	// Source says where the numbers come from.
	Source string
	// socket and timeWait are what Socket and TimeWait are made of, by the kernel's caches. A server's TIME_WAIT has the first only.
	socket, timeWait []cache
}

// cache is what an object takes of one of the kernel's caches, in bytes.
type cache struct {
	name  string
	bytes int64
}

// parts divides a socket and a client's TIME_WAIT among the caches, as far as their sizes are known. The first has what is left.
func (m *Memory) parts(inode, file, dentry, bind, bind2 int64) {
	m.socket = []cache{{"TCP", m.Socket - inode - file - dentry}, {"sock_inode_cache", inode}, {"filp", file}, {"dentry", dentry}}
	m.timeWait = []cache{{"tw_sock_TCP", m.TimeWait[sockstate.Server]}, {"tcp_bind_bucket", bind}}
	if bind2 > 0 {
		m.timeWait = append(m.timeWait, cache{"tcp_bind2_bucket", bind2})
	}
}

// kernelMemory is the table of the memory by version, newest first. To correct it, read objsize, objperslab and pagesperslab of the caches in
// /proc/slabinfo as root: pages x 4096 / objects is what an object takes.
var kernelMemory = []struct {
	from string // the first version with these sizes
	Memory
}{
	// Measured on 6.18: two million sockets took 3.75 kB each, TIME_WAITs 512 and 256.
	{"6.18", Memory{Socket: SocketBytes, TimeWait: [...]int64{512, 256}, Request: 341, Tracked: 256, Margin: 0.05}},
	// Not measured: struct tcp_sock has been between 2.0 and 2.5 kB since 4.19. One bind bucket less before bhash2 (6.1).
	{"6.1", Memory{Socket: SocketBytes, TimeWait: [...]int64{512, 256}, Request: 341, Tracked: 256, Margin: 0.15}},
	{"0", Memory{Socket: SocketBytes, TimeWait: [...]int64{384, 256}, Request: 320, Tracked: 320, Margin: 0.2}},
}

// SocketBytes is the kernel memory of an idle socket: 3.75 kB measured on Linux 6.18, over two million sockets (struct tcp_sock 2.4 kB, the
// inode 0.8, file and dentry 0.4, the slabs' own loss).
const SocketBytes = 3750

// MemoryOf is the memory of a kernel: by its slabs if they are known, otherwise by its version. Slabs of equal size are merged, so that
// one may be missing under its own name; the table then has it.
func MemoryOf(kernel string, slabs map[string]int64) Memory {
	m := kernelMemory[0].Memory
	for _, row := range kernelMemory {
		if m = row.Memory; !older(kernel, row.from) {
			break
		}
	}
	tcp, inode := slabs["TCP"], slabs["sock_inode_cache"]
	const file, bind = 195, 128 // filp and dentry; a bind bucket
	if tcp == 0 || inode == 0 {
		const inode = 862
		m.parts(inode, file, file, bind, m.TimeWait[sockstate.Client]-m.TimeWait[sockstate.Server]-bind)
		m.Source = "assumed for Linux " + version(kernel) + ", as /proc/slabinfo was not read"
		return m
	}
	or := func(name string, otherwise int64) int64 {
		if n := slabs[name]; n > 0 {
			return n
		}
		return otherwise
	}
	m.Socket = tcp + inode + or("filp", file) + or("dentry", file)
	tw := or("tw_sock_TCP", m.TimeWait[sockstate.Server])
	m.TimeWait = [...]int64{tw + or("tcp_bind_bucket", bind) + or("tcp_bind2_bucket", bind), tw}
	m.Request, m.Tracked = or("request_sock_TCP", m.Request), or("nf_conntrack", m.Tracked)
	m.Margin, m.Source = 0.05, "/proc/slabinfo"
	m.parts(inode, or("filp", file), or("dentry", file), or("tcp_bind_bucket", bind), or("tcp_bind2_bucket", bind))
	return m
}

// version is the beginning of a kernel's release, "6.18".
func version(kernel string) string {
	parts := strings.SplitN(kernel, ".", 3)
	if len(parts) < 2 {
		return "of unknown version"
	}
	return parts[0] + "." + strings.TrimRight(parts[1], "-abcdefghijklmnopqrstuvwxyz+")
}

// older reports whether a kernel's release is before a version. One that cannot be read is not.
func older(kernel, than string) bool {
	number := func(s string) float64 {
		major, minor, _ := strings.Cut(s, ".")
		digits := func(s string) string {
			if i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
				s = s[:i]
			}
			return s
		}
		a, ok1 := quantity.ParseSI(digits(major))
		b, ok2 := quantity.ParseSI(digits(minor))
		if !ok1 {
			return math.Inf(1)
		}
		if !ok2 {
			b = 0
		}
		return a*1000 + b
	}
	return number(kernel) < number(than)
}

// bytes is an amount with the margin of its source.
func (m *Memory) bytes(n int64) span {
	return span{float64(n) * (1 - m.Margin), float64(n), float64(n) * (1 + m.Margin)}
}
