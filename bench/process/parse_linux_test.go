package process

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePid(t *testing.T) {
	tests := []struct {
		in   string
		want int
		ok   bool
	}{
		{"pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t7\nPid:\t1234\nNSpid:\t1234\t7\n", 1234, true},
		{"Pid:\t-1", -1, true},
		{"NSpid:\t1\n", 0, false},
		{"Pid:\tx\n", 0, false},
		{"", 0, false},
	}
	for _, tt := range tests {
		got, err := parsePid([]byte(tt.in))
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("%q: %d, %v", tt.in, got, err)
		}
	}
}

func FuzzParsePid(f *testing.F) {
	f.Add([]byte("flags:\t02000002\nPid:\t1234\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if pid, err := parsePid(b); err != nil && pid != 0 {
			t.Errorf("%d with %v", pid, err)
		}
	})
}

func TestParseSocketLink(t *testing.T) {
	tests := []struct {
		in   string
		want uint64
		ok   bool
	}{
		{"socket:[4026531840]", 4026531840, true},
		{"socket:[]", 0, false},
		{"socket:[7", 0, false},
		{"pipe:[7]", 0, false},
		{"socket:[-7]", 0, false},
		{"/tmp/socket:[7]", 0, false},
		{"", 0, false},
	}
	for _, tt := range tests {
		if got, ok := parseSocketLink([]byte(tt.in)); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %d, %v", tt.in, got, ok)
		}
	}
}

func FuzzParseSocketLink(f *testing.F) {
	f.Add([]byte("socket:[7]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if inode, ok := parseSocketLink(b); !ok && inode != 0 {
			t.Errorf("%d", inode)
		}
	})
}

func TestTaking(t *testing.T) {
	at := func(inode uint64, addr string, v6Only bool) Listener {
		return Listener{Addr: netip.MustParseAddrPort(addr), Inode: inode, v6Only: v6Only}
	}
	all := []Listener{
		at(1, "[::]:80", false), at(2, "0.0.0.0:80", false), at(3, "127.0.0.1:80", false), at(4, "127.0.0.1:80", false),
		at(5, "[::]:81", true), at(6, "[::1]:80", false), at(7, "0.0.0.0:82", false), at(8, "[fe80::1]:80", false),
	}
	type l struct {
		Inode    uint64
		Shadowed bool
	}
	tests := []struct {
		addr string
		want []l
	}{
		{"127.0.0.1:80", []l{{3, false}, {4, false}, {2, true}, {1, true}}},
		{"[::ffff:127.0.0.1]:80", []l{{3, false}, {4, false}, {2, true}, {1, true}}},
		{"127.0.0.2:80", []l{{2, false}, {1, true}}},
		{"[::1]:80", []l{{6, false}, {1, true}}},
		{"[::2]:80", []l{{1, false}}},
		{"[fe80::1%eth0]:80", []l{{8, false}, {1, true}}},
		{"127.0.0.1:81", nil}, // IPV6_V6ONLY
		{"[::1]:81", []l{{5, false}}},
		{"[::1]:82", nil},
		{"127.0.0.1:83", nil},
	}
	for _, tt := range tests {
		var got []l
		for _, x := range taking(append([]Listener(nil), all...), netip.MustParseAddrPort(tt.addr)) {
			got = append(got, l{x.Inode, x.Shadowed})
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: -want +got\n%s", tt.addr, d)
		}
	}
}

func TestJudge(t *testing.T) {
	held := func(inode uint64, pids ...int) Listener { return Listener{Inode: inode, Holders: pids} }
	shadowed := func(l Listener) Listener { l.Shadowed = true; return l }
	tests := []struct {
		name     string
		ls       []Listener
		tree     []int
		held     map[uint64][]int
		readable bool
		want     Ownership
	}{
		{"one", []Listener{held(1, 10)}, []int{10}, map[uint64][]int{1: {10}}, true, Ownership{Owner: Owner, Holders: []int{10}}},
		{"master and worker", []Listener{held(1, 10, 11)}, []int{10, 11}, map[uint64][]int{1: {10, 11}}, true, Ownership{Owner: Owner, Holders: []int{10, 11}}},
		{"only the worker", []Listener{held(1, 10, 11)}, []int{11}, map[uint64][]int{1: {11}}, true, Ownership{Owner: Shared, Holders: []int{11}, By: []int{10}}},
		{"a half that may be read", []Listener{held(1, 10)}, []int{10, 11}, map[uint64][]int{1: {10}}, false, Ownership{Owner: Owner, Holders: []int{10}}},
		{"another's", []Listener{held(1, 20)}, []int{10}, nil, true, Ownership{Owner: NotOwner, By: []int{20}}},
		{"unread", []Listener{held(1, 20)}, []int{10}, nil, false, Ownership{Owner: CannotTell, By: []int{20}}},
		{"beside another's", []Listener{held(1, 10), held(2, 20)}, []int{10}, map[uint64][]int{1: {10}}, true, Ownership{Owner: Owner, Holders: []int{10}, Others: []int{20}}},
		{"in front of another's", []Listener{held(1, 10), shadowed(held(2, 20))}, []int{10}, map[uint64][]int{1: {10}}, true, Ownership{Owner: Owner, Holders: []int{10}, Others: []int{20}}},
		{"behind another's", []Listener{held(1, 20), shadowed(held(2, 10))}, []int{10}, map[uint64][]int{2: {10}}, true, Ownership{Owner: NotOwner, By: []int{20}}},
		{"nobody", nil, []int{10}, nil, true, Ownership{Owner: NotOwner}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, judge(tt.ls, tt.tree, tt.held, tt.readable)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}
