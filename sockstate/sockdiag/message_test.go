package sockdiag

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
)

var cmpAddr = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

func tuple(local, remote string) sockstate.Tuple {
	return sockstate.Tuple{Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote)}
}

// entry builds struct inet_diag_msg.
func entry(family, state, timer byte, sport, dport uint16, src, dst string, expires, rqueue, wqueue, inode uint32) []byte {
	b := []byte{family, state, timer, 0}
	b = binary.BigEndian.AppendUint16(b, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	for _, a := range []string{src, dst} {
		var raw [16]byte
		copy(raw[:], netip.MustParseAddr(a).AsSlice())
		b = append(b, raw[:]...)
	}
	b = append(b, make([]byte, 12)...)
	for _, v := range []uint32{expires, rqueue, wqueue, 0, inode} {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}

func message(typ uint16, seq uint32, payload []byte) []byte {
	var b []byte
	b = binary.NativeEndian.AppendUint32(b, uint32(sizeofHeader+len(payload)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 0)
	b = append(b, payload...)
	return append(b, make([]byte, align4(len(b))-len(b))...)
}

func code(errno int32) []byte {
	return binary.NativeEndian.AppendUint32(nil, uint32(errno))
}

func TestParseSocket(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		want sockstate.Socket
	}{
		{
			"established",
			entry(afInet, 1, 0, 8080, 443, "2.1.200.10", "2.1.200.11", 0, 5, 6, 1<<32-1),
			sockstate.Socket{Tuple: tuple("2.1.200.10:8080", "2.1.200.11:443"), State: sockstate.Established, Inode: 1<<32 - 1},
		},
		{
			"listener",
			entry(afInet6, 10, 0, 8002, 0, "::", "::", 0, 2, 7, 28683),
			sockstate.Socket{Tuple: tuple("[::]:8002", "[::]:0"), State: sockstate.Listen, Inode: 28683, AcceptQueue: 2, Backlog: 7},
		},
		{
			"time_wait",
			entry(afInet6, 6, 3, 37736, 8002, "::1", "2001:db8::1", 59681, 0, 0, 0),
			sockstate.Socket{Tuple: tuple("[::1]:37736", "[2001:db8::1]:8002"), State: sockstate.TimeWait, Mini: true, Left: 59681 * time.Millisecond},
		},
		{
			"v4-mapped fin_wait_2 minisocket",
			entry(afInet6, 5, 3, 36824, 8002, "::ffff:127.0.0.1", "::ffff:127.0.0.2", 1, 0, 0, 0),
			sockstate.Socket{Tuple: tuple("127.0.0.1:36824", "127.0.0.2:8002"), State: sockstate.FinWait2, Mini: true, Left: time.Millisecond},
		},
		{
			"fin_wait_2 with a keepalive timer",
			entry(afInet, 5, 2, 36824, 8002, "127.0.0.1", "127.0.0.2", 1000, 0, 0, 9),
			sockstate.Socket{Tuple: tuple("127.0.0.1:36824", "127.0.0.2:8002"), State: sockstate.FinWait2, Inode: 9},
		},
		{
			"syn_recv, retransmitting",
			entry(afInet, 3, 1, 8003, 41602, "127.0.0.1", "127.0.0.1", 880, 0, 0, 0),
			sockstate.Socket{Tuple: tuple("127.0.0.1:8003", "127.0.0.1:41602"), State: sockstate.SynRecv},
		},
		{
			"new_syn_recv",
			entry(afInet, 12, 1, 8003, 41602, "127.0.0.1", "127.0.0.1", 880, 0, 0, 0),
			sockstate.Socket{Tuple: tuple("127.0.0.1:8003", "127.0.0.1:41602"), State: sockstate.NewSynRecv},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Attributes follow, of which a listener's only count: this is INET_DIAG_TOS.
			in := append(append([]byte{}, tt.in...), 5, 0, 8, 0, 0, 0, 0, 0)
			got := Socket{Socket: sockstate.Socket{AcceptQueue: 1, Backlog: 1, Mini: true, Left: 1}}
			if what := parseSocket(in, &got); what != "" {
				t.Fatal(what)
			}
			if d := cmp.Diff(tt.want, got.Socket, cmpAddr); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if got.family != tt.in[0] || string(got.id[:]) != string(tt.in[4:52]) {
				t.Errorf("family %d, id % x; want them as in % x", got.family, got.id, tt.in)
			}
		})
	}
}

func TestReply(t *testing.T) {
	est := entry(afInet, 1, 0, 8080, 443, "10.0.0.1", "10.0.0.2", 0, 0, 0, 7)
	type failure struct {
		Seq   uint32
		Errno syscall.Errno
	}
	tests := []struct {
		name     string
		in       [][]byte
		sockets  int
		failures []failure
		done     bool
	}{
		{"two and the end", [][]byte{message(typeByFamily, 5, est), message(typeGetSock, 5, est), message(typeDone, 5, code(0))}, 2, nil, true},
		{"not the end", [][]byte{message(typeByFamily, 5, est)}, 1, nil, false},
		{"an old dump's rest", [][]byte{message(typeByFamily, 4, est), message(typeDone, 4, code(0)), message(99, 3, nil)}, 0, nil, false},
		{"refused", [][]byte{message(typeError, 5, code(-2))}, 0, []failure{{5, syscall.ENOENT}}, true},
		{"failed on the way", [][]byte{message(typeByFamily, 5, est), message(typeDone, 5, code(-12))}, 1, []failure{{5, syscall.ENOMEM}}, true},
		{"an end without a code", [][]byte{message(typeDone, 5, nil)}, 0, nil, true},
		{"an end with a length", [][]byte{message(typeDone, 5, code(88))}, 0, nil, true},
		{"nothing to say", [][]byte{message(typeNoop, 5, nil)}, 0, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var failures []failure
			n := 0
			r := reply{
				seq: 5, last: 5,
				entry:  func(*Socket) { n++ },
				failed: func(seq uint32, errno syscall.Errno) { failures = append(failures, failure{seq, errno}) },
			}
			var in []byte
			for _, m := range tt.in {
				in = append(in, m...)
			}
			if err := r.messages(in); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.failures, failures); d != "" {
				t.Errorf("failures: -want +got\n%s", d)
			}
			if n != tt.sockets || r.done != tt.done {
				t.Errorf("%d sockets, done %v; want %d, %v", n, r.done, tt.sockets, tt.done)
			}
		})
	}
}

// Of several requests, the kernel answers those that failed, and the last.
func TestReplyToSeveral(t *testing.T) {
	var failed []uint32
	r := reply{seq: 1<<32 - 2, last: 1, failed: func(seq uint32, _ syscall.Errno) { failed = append(failed, seq) }}
	var in []byte
	for _, m := range [][]byte{
		message(typeError, 1<<32-3, code(-2)), // of an earlier batch
		message(typeError, 1<<32-1, code(-2)),
		message(typeError, 0, code(-1)),
		message(typeError, 2, code(-1)), // not asked yet
	} {
		in = append(in, m...)
	}
	if err := r.messages(in); err != nil || r.done {
		t.Fatalf("error %v, done %v; want neither", err, r.done)
	}
	if err := r.messages(message(typeError, 1, code(0))); err != nil || !r.done {
		t.Fatalf("error %v, done %v; want done", err, r.done)
	}
	if d := cmp.Diff([]uint32{1<<32 - 1, 0}, failed); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestReplyErrors(t *testing.T) {
	est := entry(afInet, 1, 0, 8080, 443, "10.0.0.1", "10.0.0.2", 0, 0, 0, 7)
	long := message(typeByFamily, 5, est)
	binary.NativeEndian.PutUint32(long, uint32(len(long)+1))
	short := message(typeByFamily, 5, est)
	binary.NativeEndian.PutUint32(short, sizeofHeader-1)
	alien := append([]byte{}, est...)
	alien[0] = 16
	zero := append([]byte{}, est...)
	zero[1] = 0
	beyond := append([]byte{}, est...)
	beyond[1] = 13
	good := message(typeByFamily, 5, est)
	tests := []struct {
		name string
		in   []byte
		want ParseError
	}{
		{"a cut header", append(append([]byte{}, good...), 1, 2, 3), ParseError{len(good), "3 bytes are too few for a header"}},
		{"too long", long, ParseError{0, "length 89, of 88 bytes left"}},
		{"too short", short, ParseError{0, "length 15, of 88 bytes left"}},
		{"a cut socket", message(typeByFamily, 5, est[:68]), ParseError{0, "a socket of 68 bytes, which needs 72"}},
		{"a strange family", append(append([]byte{}, good...), message(typeByFamily, 5, alien)...), ParseError{len(good), "address family 16"}},
		{"state 0", message(typeByFamily, 5, zero), ParseError{0, "socket state 0"}},
		{"state 13", message(typeByFamily, 5, beyond), ParseError{0, "socket state 13"}},
		{"an unknown type", message(4, 5, nil), ParseError{0, "unexpected type 4"}},
		{"an error without a code", message(typeError, 5, nil), ParseError{0, "an error without a code"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := reply{seq: 5, last: 5}
			got, ok := errors.AsType[*ParseError](r.messages(tt.in))
			if !ok {
				t.Fatal("no *ParseError")
			}
			if d := cmp.Diff(tt.want, *got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestErrorSaysWhatToDo(t *testing.T) {
	tests := []struct {
		err  *Error
		want string
	}{
		{&Error{Op: "destroy", Tuple: tuple("10.0.0.1:1", "10.0.0.2:2"), Err: syscall.EPERM}, "sock_diag: destroy 10.0.0.1:1 > 10.0.0.2:2: operation not permitted (needs CAP_NET_ADMIN"},
		{&Error{Op: "destroy", Err: syscall.EOPNOTSUPP}, "CONFIG_INET_DIAG_DESTROY"},
		{&Error{Op: "dump", Err: syscall.ENOENT}, "CONFIG_INET_DIAG"},
		{&Error{Op: "socket", Err: syscall.EPROTONOSUPPORT}, "no NETLINK_SOCK_DIAG"},
		{&Error{Op: "socket", Err: syscall.EPERM}, "seccomp"},
		{&Error{Op: "receive", Err: syscall.EAGAIN}, "sock_diag: receive: resource temporarily unavailable"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); !strings.Contains(got, tt.want) {
			t.Errorf("got %q, want %q in it", got, tt.want)
		}
	}
}

// dump is what one receive call returns of a long answer: n entries.
func dump(n int) []byte {
	one := message(typeByFamily, 7, entry(afInet, 6, 3, 36824, 8002, "127.0.0.1", "127.0.0.2", 59681, 0, 0, 0))
	return bytes.Repeat(one, n)
}

func TestMessagesDoNotAllocate(t *testing.T) {
	in := dump(100)
	n := 0
	r := reply{seq: 7, last: 7, entry: func(*Socket) { n++ }}
	allocs := testing.AllocsPerRun(10, func() {
		if err := r.messages(in); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 || n == 0 {
		t.Errorf("%v allocations in %d entries, want none", allocs, n)
	}
}

func BenchmarkMessages(b *testing.B) {
	in := dump(100)
	n := 0
	r := reply{seq: 7, last: 7, entry: func(*Socket) { n++ }}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.messages(in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/socket")
}

func FuzzMessages(f *testing.F) {
	est := entry(afInet, 1, 0, 8080, 443, "10.0.0.1", "10.0.0.2", 0, 0, 0, 7)
	f.Add(append(message(typeGetSock, 5, est), message(typeDone, 5, code(0))...))
	f.Add(message(typeGetSock, 5, entry(afInet6, 6, 3, 37736, 8002, "::1", "::ffff:10.0.0.1", 59681, 0, 0, 0)))
	f.Add(message(typeError, 5, code(-2)))
	f.Add([]byte("garbage"))
	f.Fuzz(func(t *testing.T, in []byte) {
		n := 0
		r := reply{
			seq: 5, last: 6,
			entry: func(s *Socket) {
				n++
				if s.State < sockstate.Established || s.State > sockstate.NewSynRecv || s.Left < 0 || !s.Tuple.Local.IsValid() {
					t.Errorf("impossible socket %+v", s)
				}
			},
			failed: func(uint32, syscall.Errno) {},
		}
		err := r.messages(in)
		if _, ok := errors.AsType[*ParseError](err); err != nil && !ok {
			t.Errorf("error %v, want a *ParseError", err)
		}
		if most := len(in) / (sizeofHeader + sizeofMsg); n > most {
			t.Errorf("%d sockets from %d bytes:\n%s", n, len(in), hex.Dump(in))
		}
	})
}

func TestV6Only(t *testing.T) {
	attr := func(typ uint16, n int, payload ...byte) []byte {
		b := binary.NativeEndian.AppendUint16(nil, uint16(n))
		b = binary.NativeEndian.AppendUint16(b, typ)
		b = append(b, payload...)
		return append(b, make([]byte, align4(len(b))-len(b))...)
	}
	tests := []struct {
		name  string
		attrs []byte
		want  bool
	}{
		{"none", nil, false},
		{"after others", slices.Concat(attr(5, 5, 8), attr(6, 5, 0), attr(11, 5, 1)), true},
		{"off", attr(11, 5, 0), false},
		{"empty", attr(11, 4), false},
		{"cut", attr(11, 5, 1)[:4], false},
		{"of no length", attr(11, 0, 1), false},
		{"behind one that is too long", slices.Concat(attr(5, 50, 8), attr(11, 5, 1)), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Socket{V6Only: !tt.want}
			in := append(entry(afInet6, 10, 0, 80, 0, "::", "::", 0, 0, 1, 1), tt.attrs...)
			if what := parseSocket(in, &got); what != "" {
				t.Fatal(what)
			}
			if got.V6Only != tt.want {
				t.Errorf("V6Only is %v", got.V6Only)
			}
		})
	}
}
