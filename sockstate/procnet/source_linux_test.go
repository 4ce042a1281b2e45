package procnet

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
)

// A listener and a connection of this process stand in the tables, and again when the
// same descriptors are read a second time.
func TestSource(t *testing.T) {
	s, err := Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()

	f := sockstate.Filter{Servers: []netip.AddrPort{netip.MustParseAddrPort(l.Addr().String())}}
	var want [sockstate.NumSides][sockstate.NumStates]int
	want[sockstate.Client] = states{sockstate.Established: 1}.array()
	want[sockstate.Server] = states{sockstate.Established: 1, sockstate.Listen: 1}.array()
	for range 2 {
		var got sockstate.Census
		if err := s.Census(&f, &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got.Count); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if got.NotAccepted != 0 {
			t.Errorf("%d not accepted, want 0", got.NotAccepted)
		}
		if s.Seen() < 3 {
			t.Errorf("%d sockets seen, want at least 3", s.Seen())
		}
	}
}

func TestOpenTables(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	s, err := open("testdata/tcp", gone)
	if err != nil {
		t.Fatalf("without IPv6: %v", err)
	}
	var none sockstate.Filter
	var c sockstate.Census
	if err := s.Census(&none, &c); err != nil || s.Seen() != 23 || c.Total(sockstate.Client) != 0 {
		t.Errorf("without IPv6: %d sockets seen, error %v, census %+v; want 23, of no load", s.Seen(), err, c)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}

	_, err = open(gone, "testdata/tcp6")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without TCP: %v, want %v", err, fs.ErrNotExist)
	}

	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte(header4+"garbage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = open(garbage, gone); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	perr, ok := errors.AsType[*ParseError](s.Census(&none, &c))
	if !ok || perr.File != garbage || perr.Line != 2 {
		t.Errorf("garbage: %v, want a *ParseError at %s:2", perr, garbage)
	}
}
