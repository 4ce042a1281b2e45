package procnet

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
)

const (
	header4 = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n"
	header6 = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
)

// cmpAddr compares the addresses, which have unexported fields.
var cmpAddr = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

func tuple(local, remote string) sockstate.Tuple {
	return sockstate.Tuple{Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote)}
}

// Lines as Linux 6.18 printed them on a little-endian machine.
func TestParseLines(t *testing.T) {
	if !littleEndian() {
		t.Skip("the lines were captured on a little-endian machine, and this one is not")
	}
	tests := []struct {
		name, line string
		want       sockstate.Socket
	}{
		{
			"established",
			"   2: 0100007F:1F41 0100007F:DFF4 01 00000000:00000000 00:00000000 00000000     0        0 28687 1 000000003f38cbb4 20 0 0 10 -1                     ",
			sockstate.Socket{Tuple: tuple("127.0.0.1:8001", "127.0.0.1:57332"), State: sockstate.Established, Inode: 28687},
		},
		{
			"not yet accepted",
			"   3: 0100007F:1F41 0100007F:E020 01 00000000:00000000 00:00000000 00000000     0        0 0 1 00000000f2ec214c 20 0 0 10 -1                         ",
			sockstate.Socket{Tuple: tuple("127.0.0.1:8001", "127.0.0.1:57376"), State: sockstate.Established},
		},
		{
			"bytes in order",
			"   9: 0AC80102:1F90 0BC80102:01BB 01 00000000:00000000 02:000003A6 00000000 65534        0 4294967295 2 0000000000000000 20 0 0 10 -1",
			sockstate.Socket{Tuple: tuple("2.1.200.10:8080", "2.1.200.11:443"), State: sockstate.Established, Inode: 4294967295},
		},
		{
			"time_wait",
			"   4: 0100007F:1F41 0100007F:E008 06 00000000:00000000 03:00001750 00000000     0        0 0 3 000000007811ff8b                                      ",
			sockstate.Socket{Tuple: tuple("127.0.0.1:8001", "127.0.0.1:57352"), State: sockstate.TimeWait, Mini: true, Left: 59680 * time.Millisecond},
		},
		{
			"fin_wait_2 minisocket",
			"   8: 0100007F:E00C 0100007F:1F41 05 00000000:00000000 03:00001750 00000000     0        0 0 3 0000000090d46dd9                                      ",
			sockstate.Socket{Tuple: tuple("127.0.0.1:57356", "127.0.0.1:8001"), State: sockstate.FinWait2, Mini: true, Left: 59680 * time.Millisecond},
		},
		{
			"fin_wait_2 socket",
			"   9: 0100007F:E01A 0100007F:1F41 05 00000000:00000000 00:00000000 00000000     0        0 28765 1 00000000a1472564 20 0 0 11 -1                     ",
			sockstate.Socket{Tuple: tuple("127.0.0.1:57370", "127.0.0.1:8001"), State: sockstate.FinWait2, Inode: 28765},
		},
		{
			"close_wait, the FIN unread",
			"  13: 0100007F:1F41 0100007F:E01A 08 00000000:00000001 00:00000000 00000000     0        0 28766 1 00000000d394f780 20 4 0 10 -1                     ",
			sockstate.Socket{Tuple: tuple("127.0.0.1:8001", "127.0.0.1:57370"), State: sockstate.CloseWait, Inode: 28766},
		},
		{
			"syn_recv",
			"  22: 0100007F:1F43 0100007F:A282 03 00000000:00000000 01:00000058 00000000     0        0 0 0 000000005418b1ec                                      ",
			sockstate.Socket{Tuple: tuple("127.0.0.1:8003", "127.0.0.1:41602"), State: sockstate.SynRecv},
		},
		{
			"new_syn_recv, which no kernel prints yet",
			"  22: 0100007F:1F43 0100007F:A282 0C 00000000:00000000 01:00000058 00000000     0        0 0 0 000000005418b1ec",
			sockstate.Socket{Tuple: tuple("127.0.0.1:8003", "127.0.0.1:41602"), State: sockstate.NewSynRecv},
		},
		{
			"listener with a queue",
			"   1: 0100007F:1F41 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 28682 4 000000000ae6375a 100 0 0 10 0                     ",
			sockstate.Socket{Tuple: tuple("127.0.0.1:8001", "0.0.0.0:0"), State: sockstate.Listen, Inode: 28682, AcceptQueue: 3},
		},
		{
			"v6 listener with a queue",
			"   1: 00000000000000000000000000000000:1F42 00000000000000000000000000000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 28683 3 00000000764be3aa 100 0 0 10 0",
			sockstate.Socket{Tuple: tuple("[::]:8002", "[::]:0"), State: sockstate.Listen, Inode: 28683, AcceptQueue: 2},
		},
		{
			"v6 established",
			"  11: 00000000000000000000000001000000:935A B80D0120000000000000000001020304:1F42 01 00000000:00000000 00:00000000 00000000     0        0 28688 2 00000000f2ca93bc 20 0 0 10 -1",
			sockstate.Socket{Tuple: tuple("[::1]:37722", "[2001:db8::403:201]:8002"), State: sockstate.Established, Inode: 28688},
		},
		{
			"v6 fin_wait_2 minisocket",
			"  13: 00000000000000000000000001000000:937C 00000000000000000000000001000000:1F42 05 00000000:00000000 03:0000175A 00000000     0        0 0 3 00000000f7c0f5ee",
			sockstate.Socket{Tuple: tuple("[::1]:37756", "[::1]:8002"), State: sockstate.FinWait2, Mini: true, Left: 59780 * time.Millisecond},
		},
		{
			"v4-mapped close_wait",
			"   4: 0000000000000000FFFF00000100007F:1F42 0000000000000000FFFF00000100007F:8FDE 08 00000000:00000001 00:00000000 00000000     0        0 28780 1 00000000ce39ad91 20 4 0 10 -1",
			sockstate.Socket{Tuple: tuple("127.0.0.1:8002", "127.0.0.1:36830"), State: sockstate.CloseWait, Inode: 28780},
		},
		{
			"wide numbers, sl of five digits",
			"1234567: 0100007F:1F41 0100007F:E008 06 00000000:00000000 03:FFFFFFFFFFFFFFFF 00000000 4294967294        0 0 3 ffff888104f0b1c0",
			sockstate.Socket{Tuple: tuple("127.0.0.1:8001", "127.0.0.1:57352"), State: sockstate.TimeWait, Mini: true, Left: time.Duration(maxWhen) * 10 * time.Millisecond},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []sockstate.Socket
			err := parse(strings.NewReader(header4+tt.line+"\n"), nil, func(s *sockstate.Socket) { got = append(got, *s) })
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]sockstate.Socket{tt.want}, got, cmpAddr); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	const good = "   3: 0100007F:1F41 0100007F:E020 01 00000000:00000000 00:00000000 00000000     0        0 0 1 00000000f2ec214c 20 0 0 10 -1"
	beforeInode := good[:strings.Index(good, " 0 1 ")]
	tests := []struct {
		name, in string
		want     ParseError
	}{
		{"nothing", "", ParseError{Line: 1, Field: "line", Err: errNoHeader}},
		{"another table", "Inter-|   Receive\n", ParseError{Line: 1, Field: "line", Err: errNoHeader}},
		{"no header", good + "\n" + good + "\n", ParseError{Line: 1, Field: "line", Err: errNoHeader}},
		{"header cut", header4[:40], ParseError{Line: 1, Field: "line", Err: errTruncated}},
		{"line cut", header4 + good + "\n" + good, ParseError{Line: 3, Field: "line", Err: errTruncated}},
		{"an empty line", header4 + "\n", ParseError{Line: 2, Field: "sl", Err: errField}},
		{"no sl", header4 + " : 0100007F:1F41\n", ParseError{Line: 2, Field: "sl", Err: errField}},
		{"an odd address", header4 + "   3: 0100007F00:1F41 0100007F:E020 01\n", ParseError{Line: 2, Field: "local_address", Err: errField}},
		{"lower case", header4 + "   3: 0100007f:1F41 0100007F:E020 01\n", ParseError{Line: 2, Field: "local_address", Err: errField}},
		{"a short port", header4 + "   3: 0100007F:1F41 0100007F:E02 01\n", ParseError{Line: 2, Field: "remote_address", Err: errField}},
		{"no state", header4 + "   3: 0100007F:1F41 0100007F:E020", ParseError{Line: 2, Field: "line", Err: errTruncated}},
		{"state 0", header4 + strings.Replace(good, " 01 ", " 00 ", 1) + "\n", ParseError{Line: 2, Field: "st", Err: errField}},
		{"state 13", header4 + good + "\n" + strings.Replace(good, " 01 ", " 0D ", 1) + "\n", ParseError{Line: 3, Field: "st", Err: errField}},
		{"no queue", header4 + "   3: 0100007F:1F41 0100007F:E020 01 :00000000 \n", ParseError{Line: 2, Field: "tx_queue", Err: errField}},
		{"no timer", header4 + "   3: 0100007F:1F41 0100007F:E020 01 00000000:00000000 x\n", ParseError{Line: 2, Field: "tr", Err: errField}},
		{"a long timer", header4 + strings.Replace(good, " 00:00000000", " 00:00000000000000000", 1) + "\n", ParseError{Line: 2, Field: "tm->when", Err: errField}},
		{"cut before the inode", header4 + beforeInode + " \n", ParseError{Line: 2, Field: "inode", Err: errField}},
		{"a large inode", header4 + beforeInode + " 99999999999999999999\n", ParseError{Line: 2, Field: "inode", Err: errField}},
		{"a long line", header4 + strings.Repeat("x", bufferSize), ParseError{Line: 2, Field: "line", Err: errTooLong}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := parse(strings.NewReader(tt.in), nil, func(*sockstate.Socket) {})
			got, ok := errors.AsType[*ParseError](err)
			if !ok {
				t.Fatalf("error %v, want a *ParseError", err)
			}
			if got.Line != tt.want.Line || got.Field != tt.want.Field || !errors.Is(err, tt.want.Err) {
				t.Errorf("line %d, %s, %v; want line %d, %s, %v", got.Line, got.Field, got.Err, tt.want.Line, tt.want.Field, tt.want.Err)
			}
		})
	}
}

func TestParseErrorSaysWhere(t *testing.T) {
	err := &ParseError{File: "/proc/net/tcp", Line: 7, Field: "st", Text: " 1: x", Err: errField}
	if got, want := err.Error(), `/proc/net/tcp:7: st is malformed: " 1: x"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// An error of the reader comes back as it is, after the lines before it.
func TestParseReadError(t *testing.T) {
	mine := errors.New("mine")
	n := 0
	err := parse(io.MultiReader(bytes.NewReader(testdata(t, "tcp")), iotest.ErrReader(mine)), nil, func(*sockstate.Socket) { n++ })
	if err != mine || n != 23 {
		t.Errorf("error %v after %d sockets, want %v after 23", err, n, mine)
	}
	if err := parse(stuck{}, nil, nil); err != io.ErrNoProgress {
		t.Errorf("error %v from a reader that returns nothing, want %v", err, io.ErrNoProgress)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// Whole tables of one namespace: three listening ports, every state that can be held on
// loopback without packet loss, v4, v6 and v4-mapped.
func TestParseTables(t *testing.T) {
	if !littleEndian() {
		t.Skip("the tables were captured on a little-endian machine, and this one is not")
	}
	f := sockstate.Filter{Servers: []netip.AddrPort{
		netip.MustParseAddrPort("127.0.0.1:8002"), netip.MustParseAddrPort("[::1]:8002"),
	}}
	var got sockstate.Census
	for _, name := range []string{"tcp", "tcp6"} {
		err := parse(bytes.NewReader(testdata(t, name)), nil, func(s *sockstate.Socket) { got.Add(&f, s) })
		if err != nil {
			t.Fatal(err)
		}
	}
	want := sockstate.Census{
		AcceptQueue:  2,
		NotAccepted:  2,
		FinWait2Mini: [sockstate.NumSides]int{sockstate.Client: 2},
		LongestLeft:  59880 * time.Millisecond,
		Ports: map[sockstate.Pair]*sockstate.PortUse{
			{Source: netip.MustParseAddr("127.0.0.1"), Destination: f.Servers[0]}: {Open: 3, TimeWait: 1},
			{Source: netip.MustParseAddr("::1"), Destination: f.Servers[1]}:       {Open: 5, TimeWait: 1},
		},
	}
	want.Ages[sockstate.Client][0], want.Ages[sockstate.Server][0] = 2, 2
	want.Count[sockstate.Client] = states{sockstate.Established: 4, sockstate.FinWait2: 4, sockstate.TimeWait: 2}.array()
	want.Count[sockstate.Server] = states{sockstate.Listen: 1, sockstate.Established: 4, sockstate.CloseWait: 4, sockstate.TimeWait: 2}.array()
	if d := cmp.Diff(want, got, cmpAddr, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

type states map[sockstate.State]int

func (s states) array() (a [sockstate.NumStates]int) {
	for k, n := range s {
		a[k] = n
	}
	return a
}

// table is a table of n lines.
func table(n int) []byte {
	const line = "   3: 0100007F:1F41 0100007F:E020 06 00000000:00000000 03:00001750 00000000     0        0 0 3 00000000f2ec214c                                      \n"
	return append([]byte(header4), strings.Repeat(line, n)...)
}

func TestParseDoesNotAllocate(t *testing.T) {
	buf := make([]byte, bufferSize)
	n := 0
	each := func(*sockstate.Socket) { n++ }
	perRun := func(lines int) float64 {
		in := table(lines)
		r := bytes.NewReader(in)
		return testing.AllocsPerRun(20, func() {
			r.Reset(in)
			if err := parse(r, buf, each); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := perRun(1), perRun(10000); many > few || few > 1 {
		t.Errorf("%v allocations for 1 line and %v for 10000, want at most one in both", few, many)
	}
	if n == 0 {
		t.Error("nothing was parsed")
	}
}

func BenchmarkParse(b *testing.B) {
	const lines = 10000
	buf := make([]byte, bufferSize)
	for _, name := range []string{"tcp", "tcp6"} {
		in := table(lines)
		if name == "tcp6" {
			const line = "   4: 0000000000000000FFFF00000100007F:1F42 0000000000000000FFFF00000100007F:8FDE 08 00000000:00000001 00:00000000 00000000     0        0 28780 1 00000000ce39ad91 20 4 0 10 -1\n"
			in = append([]byte(header6), strings.Repeat(line, lines)...)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			each := func(*sockstate.Socket) { n++ }
			r := bytes.NewReader(in)
			for b.Loop() {
				r.Reset(in)
				if err := parse(r, buf, each); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/line")
		})
	}
}

func FuzzParse(f *testing.F) {
	// Few lines: long seeds spend the fuzzer's time on making them shorter.
	for _, name := range []string{"tcp", "tcp6"} {
		lines := bytes.SplitAfter(testdata(f, name), []byte("\n"))
		for _, line := range lines[1:] {
			f.Add(append(append([]byte{}, lines[0]...), line...))
		}
	}
	f.Add([]byte(header4 + "   1: 0100007F:1F41 00000000:0000 0A"))
	f.Add([]byte("garbage"))
	f.Fuzz(func(t *testing.T, in []byte) {
		collect := func(r io.Reader, buf []byte) (got []sockstate.Socket, err error) {
			err = parse(r, buf, func(s *sockstate.Socket) { got = append(got, *s) })
			return got, err
		}
		whole, err := collect(bytes.NewReader(in), nil)
		if _, ok := errors.AsType[*ParseError](err); err != nil && !ok {
			t.Fatalf("error %v, want a *ParseError", err)
		}
		for _, s := range whole {
			if s.State < sockstate.Established || s.State > sockstate.NewSynRecv || s.Left < 0 || s.AcceptQueue < 0 {
				t.Errorf("impossible socket %+v", s)
			}
		}
		// The pieces in which the kernel hands out a table must not matter.
		pieces, perr := collect(iotest.HalfReader(bytes.NewReader(in)), nil)
		if d := cmp.Diff(whole, pieces, cmpAddr); d != "" {
			t.Errorf("in pieces: -whole +pieces\n%s", d)
		}
		if (err == nil) != (perr == nil) || err != nil && err.Error() != perr.Error() {
			t.Errorf("in pieces: error %v, whole: %v", perr, err)
		}
	})
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func littleEndian() bool {
	var f fields
	f.b = []byte("0100007F:0000")
	return f.address().Addr() == netip.MustParseAddr("127.0.0.1")
}
