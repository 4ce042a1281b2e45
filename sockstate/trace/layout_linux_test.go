package trace

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// kernelTypes are the types of a kernel that newLayout asks for.
func kernelTypes() map[string]btf.Type {
	word, half := &btf.Int{Name: "unsigned int", Size: 4}, &btf.Int{Name: "unsigned short", Size: 2}
	pointer := &btf.Pointer{Target: &btf.Void{}}
	structure := func(name string, members ...btf.Member) *btf.Struct {
		at := btf.Bits(0)
		for i := range members {
			members[i].Offset = at
			at += 128
		}
		return &btf.Struct{Name: name, Size: at.Bytes(), Members: members}
	}
	ports := structure("", btf.Member{Name: "skc_dport", Type: half}, btf.Member{Name: "skc_num", Type: half})
	either := &btf.Union{Size: ports.Size, Members: []btf.Member{{Name: "skc_portpair", Type: word}, {Type: ports}}}
	return map[string]btf.Type{
		"sock_common": structure("sock_common", btf.Member{Name: "skc_net", Type: pointer}, btf.Member{Type: either}, btf.Member{Name: "skc_daddr", Type: word},
			btf.Member{Name: "skc_hash", Type: word}, btf.Member{Name: "skc_state", Type: half}, btf.Member{Name: "skc_family", Type: half}, btf.Member{Name: "skc_rcv_saddr", Type: word}),
		"sock":               structure("sock", btf.Member{Name: "sk_protocol", Type: half}),
		"inet_sock":          structure("inet_sock", btf.Member{Name: "inet_sport", Type: half}),
		"net":                structure("net", btf.Member{Name: "other", Type: word}, btf.Member{Name: "ns", Type: structure("ns_common", btf.Member{Name: "count", Type: word}, btf.Member{Name: "inum", Type: word})}),
		"inet_timewait_sock": structure("inet_timewait_sock", btf.Member{Name: "tw_timer", Type: word}, btf.Member{Name: "tw_substate", Type: half}),
		"timer_list":         structure("timer_list", btf.Member{Name: "function", Type: pointer}),
		"sk_buff":            structure("sk_buff", btf.Member{Name: "dev", Type: pointer}, btf.Member{Name: "head", Type: pointer}, btf.Member{Name: "transport_header", Type: half}),
		"net_device":         structure("net_device", btf.Member{Name: "nd_net", Type: pointer}),
		"sk_rst_reason":      &btf.Enum{Name: "sk_rst_reason", Size: 4, Values: []btf.EnumValue{{Name: "SK_RST_REASON_NO_SOCKET", Value: 2}}},
		"btf_trace_tcp_send_reset": &btf.Typedef{Name: "btf_trace_tcp_send_reset", Type: &btf.Pointer{Target: &btf.FuncProto{
			Return: &btf.Void{}, Params: []btf.FuncParam{{Type: pointer}, {Type: pointer}, {Type: pointer}, {Type: word}},
		}}},
	}
}

func newSpec(t *testing.T, types map[string]btf.Type) *btf.Spec {
	t.Helper()
	b, err := btf.NewBuilder(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range types {
		if _, err := b.Add(of); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOtherKernels: members are found wherever a kernel has them. What an older kernel lacks is told by name, or done without.
func TestOtherKernels(t *testing.T) {
	members := func(types map[string]btf.Type, name string) *[]btf.Member { return &types[name].(*btf.Struct).Members }
	for _, tt := range []struct {
		name   string
		change func(types map[string]btf.Type)
		want   string // in the error
		check  func(l *layout) bool
	}{
		{name: "as it is", change: func(map[string]btf.Type) {}, check: func(l *layout) bool {
			return l.dport == 16 && l.num == 32 && l.portpair == 16 && l.net == 0 && l.inum == 32 && l.reasons[2] == "NO_SOCKET" && l.parameters("tcp_send_reset") == 3
		}},
		{name: "moved", change: func(types map[string]btf.Type) {
			for i := range *members(types, "inet_timewait_sock") {
				(*members(types, "inet_timewait_sock"))[i].Offset += 640
			}
		}, check: func(l *layout) bool { return l.twTimer == 80 && l.twSubstate == 96 }},
		{name: "no IPv6", change: func(map[string]btf.Type) {}, check: func(l *layout) bool { return l.v6Daddr == 0 && l.err == nil }},
		{name: "no reasons of resets", change: func(types map[string]btf.Type) { delete(types, "sk_rst_reason") }, check: func(l *layout) bool { return len(l.reasons) == 0 }},
		{name: "a tracepoint without a reason", change: func(types map[string]btf.Type) {
			f := types["btf_trace_tcp_send_reset"].(*btf.Typedef).Type.(*btf.Pointer).Target.(*btf.FuncProto)
			f.Params = f.Params[:3]
		}, check: func(l *layout) bool { return l.parameters("tcp_send_reset") == 2 }},
		{name: "no tracepoint", change: func(types map[string]btf.Type) { delete(types, "btf_trace_tcp_send_reset") }, check: func(l *layout) bool { return l.parameters("tcp_send_reset") == 0 }},
		{name: "no struct", change: func(types map[string]btf.Type) { delete(types, "inet_timewait_sock") }, want: "eBPF: btf vmlinux: this kernel has no struct inet_timewait_sock"},
		{name: "another name", change: func(types map[string]btf.Type) { (*members(types, "sock"))[0].Name = "sk_proto" }, want: "this kernel has no member sk_protocol of struct sock"},
		{name: "too far", change: func(types map[string]btf.Type) { (*members(types, "sock_common"))[0].Offset = 8 * commonBytes }, want: "struct sock_common has its namespace at 96"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			types := kernelTypes()
			tt.change(types)
			l, err := newLayout(newSpec(t, types))
			if tt.want != "" {
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Op != "btf" || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v, want %s", err, tt.want)
				}
				return
			}
			if err != nil || !tt.check(l) {
				t.Errorf("%+v, %v", l, err)
			}
		})
	}
}

// TestErrors: each refusal is one sentence that says what is needed.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		err  *Error
		want string
	}{
		{&Error{"map", "ports", errors.Join(unix.EPERM)}, "eBPF: map ports: operation not permitted (needs CAP_BPF and CAP_PERFMON in the initial user namespace)"},
		{&Error{"load", "the programs", unix.EACCES}, "eBPF: load the programs: permission denied (needs CAP_BPF and CAP_PERFMON in the initial user namespace)"},
		{&Error{"map", "sockets", unix.ENOMEM}, "eBPF: map sockets: cannot allocate memory (out of memory, or above the memory limit of the cgroup)"},
		{&Error{"btf", "vmlinux", &missing{"tracepoint timer_start"}}, "eBPF: btf vmlinux: this kernel has no tracepoint timer_start"},
		{&Error{"btf", "vmlinux", unix.ENOENT}, "eBPF: btf vmlinux: no such file or directory (needs a kernel built with CONFIG_DEBUG_INFO_BTF)"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}
