package trace

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// names finds things by name in a kernel's BTF.
type names struct {
	spec *btf.Spec
	// err is the first name that was not found.
	err error
}

// layout holds where this kernel's structs have their members, in bytes, by names from its BTF.
type layout struct {
	names

	dport, num, hash, portpair, state, family, net int16 // struct sock_common
	daddr, rcvSaddr, v6Daddr, v6RcvSaddr           int16 // struct sock_common; v6Daddr is 0 without IPv6
	protocol, sport                                int16 // struct sock, struct inet_sock
	inum                                           int16 // struct net

	twTimer, twSubstate int16 // struct inet_timewait_sock
	timerFunction       int16 // struct timer_list

	skbDev, skbHead, skbTransport, devNet int16 // struct sk_buff, struct net_device

	reasons map[uint64]string // enum sk_rst_reason
}

// commonBytes is how much of struct sock_common the programs copy of a minisocket.
const commonBytes = 96

func loadLayout(types *btf.Cache) (*layout, error) {
	spec, err := vmlinux(types)
	if err != nil {
		return nil, err
	}
	return newLayout(spec)
}

// vmlinux reads the kernel's BTF.
func vmlinux(types *btf.Cache) (*btf.Spec, error) {
	spec, err := types.Kernel()
	if errors.Is(err, ebpf.ErrNotSupported) {
		err = &noBTFError{err}
	}
	if err != nil {
		return nil, &Error{"btf", "vmlinux", err}
	}
	return spec, nil
}

func newLayout(spec *btf.Spec) (*layout, error) {
	l := &layout{names: names{spec: spec}}
	l.dport = l.offset("sock_common", "skc_dport")
	l.num = l.offset("sock_common", "skc_num")
	l.hash = l.offset("sock_common", "skc_hash")
	l.portpair = l.offset("sock_common", "skc_portpair")
	l.state = l.offset("sock_common", "skc_state")
	l.family = l.offset("sock_common", "skc_family")
	l.net = l.offset("sock_common", "skc_net")
	l.daddr = l.offset("sock_common", "skc_daddr")
	l.rcvSaddr = l.offset("sock_common", "skc_rcv_saddr")
	l.protocol = l.offset("sock", "sk_protocol")
	l.sport = l.offset("inet_sock", "inet_sport")
	l.inum = l.offset("net", "ns.inum")
	l.twTimer = l.offset("inet_timewait_sock", "tw_timer")
	l.twSubstate = l.offset("inet_timewait_sock", "tw_substate")
	l.timerFunction = l.offset("timer_list", "function")
	l.skbDev = l.offset("sk_buff", "dev")
	l.skbHead = l.offset("sk_buff", "head")
	l.skbTransport = l.offset("sk_buff", "transport_header")
	l.devNet = l.offset("net_device", "nd_net")
	if l.err == nil {
		l.v6Daddr, l.v6RcvSaddr = l.offset("sock_common", "skc_v6_daddr"), l.offset("sock_common", "skc_v6_rcv_saddr")
		if l.err != nil { // CONFIG_IPV6
			l.v6Daddr, l.err = 0, nil
		}
	}
	if l.net+8 > commonBytes && l.err == nil {
		l.err = fmt.Errorf("struct sock_common has its namespace at %d", l.net)
	}
	if l.err != nil {
		return nil, &Error{"btf", "vmlinux", l.err}
	}
	l.reasons = make(map[uint64]string)
	var reasons *btf.Enum
	if spec.TypeByName("sk_rst_reason", &reasons) == nil {
		for _, v := range reasons.Values {
			l.reasons[v.Value] = strings.TrimPrefix(v.Name, "SK_RST_REASON_")
		}
	}
	return l, nil
}

// offset finds a member, also in anonymous structs and unions. A dot goes into a member.
func (n *names) offset(structure, path string) int16 {
	at, _ := n.find(structure, path)
	return at
}

// find is offset with the member's type, nil if there is none.
func (n *names) find(structure, path string) (int16, btf.Type) {
	var t btf.Type
	var s *btf.Struct
	if err := n.spec.TypeByName(structure, &s); err != nil {
		n.lacks("struct " + structure)
		return 0, nil
	}
	t = s
	var at uint32
	for name := range strings.SplitSeq(path, ".") {
		m, off, ok := member(t, name)
		if !ok {
			n.lacks("member " + path + " of struct " + structure)
			return 0, nil
		}
		at, t = at+off, m
	}
	return int16(at), t
}

func (n *names) lacks(name string) {
	if n.err == nil {
		n.err = &missing{name}
	}
}

// member finds a member of a struct or union by name.
func member(t btf.Type, name string) (of btf.Type, offset uint32, ok bool) {
	var members []btf.Member
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	}
	for _, m := range members {
		if m.Name == name {
			return m.Type, m.Offset.Bytes(), true
		}
		if m.Name == "" {
			if of, off, ok := member(m.Type, name); ok {
				return of, m.Offset.Bytes() + off, true
			}
		}
	}
	return nil, 0, false
}

// parameters is the number of parameters of a tracepoint, 0 if the kernel lacks it.
func (l *layout) parameters(tracepoint string) int {
	var t *btf.Typedef
	if l.spec.TypeByName("btf_trace_"+tracepoint, &t) != nil {
		return 0
	}
	p, ok := t.Type.(*btf.Pointer)
	if !ok {
		return 0
	}
	f, ok := p.Target.(*btf.FuncProto)
	if !ok {
		return 0
	}
	return len(f.Params) - 1 // without the tracepoint's own data
}

// address is that of a kernel function, or why it is not known.
type address struct {
	at  uint64
	err error
}

// symbol looks a kernel function up.
func symbol(name string) (a address) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return address{err: err}
	}
	defer f.Close()
	want := []byte(" " + name)
	s := bufio.NewScanner(f)
	for s.Scan() {
		line := s.Bytes()
		if !bytes.HasSuffix(line, want) {
			continue
		}
		hex, _, _ := strings.Cut(string(line), " ")
		a.at, a.err = strconv.ParseUint(hex, 16, 64)
		if a.at == 0 && a.err == nil {
			a.err = errors.New("/proc/kallsyms hides addresses (kernel.kptr_restrict)")
		}
		return a
	}
	if err := s.Err(); err != nil {
		return address{err: err}
	}
	return address{err: &missing{"function " + name}}
}
