package trace

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"lastack/sockstate/netns"
)

// license lets the programs call helpers that only GPL-compatible programs may call (bpf_probe_read_kernel).
const license = "Dual MIT/GPL"

// Trace is a running trace.
type Trace struct {
	maps     *maps
	layout   *layout
	programs []*ebpf.Program
	links    []link.Link
	// timeWaitReason says why minisockets are not followed.
	timeWaitReason string
}

// point is a tracepoint and its program.
type point struct {
	name   string
	params int
	build  func(*builder)
}

// Start begins a trace. It needs CAP_BPF and CAP_PERFMON in the initial user namespace. The error is an *Error, or a *netns.Error.
func Start(c Config) (*Trace, error) {
	l, err := loadLayout()
	if err != nil {
		return nil, err
	}
	spaces, err := inodes(c.Namespaces)
	if err != nil {
		return nil, err
	}
	m, err := newMaps(&c)
	if err != nil {
		return nil, err
	}
	t := &Trace{maps: m, layout: l}
	for _, p := range t.points() {
		if err := t.attach(p, spaces); err != nil {
			_ = t.Close() // err matters more
			return nil, err
		}
	}
	return t, nil
}

// points lists the programs. That of the states is the last, and so misses no minisocket.
func (t *Trace) points() []point {
	var points []point
	if handler, err := symbol("tw_timer_handler"); err != nil {
		t.timeWaitReason = err.Error()
	} else {
		on := func(build func(*builder, uint64)) func(*builder) { return func(b *builder) { build(b, handler) } }
		points = append(points, point{"timer_start", 1, on(timerStart)}, point{"timer_cancel", 1, on(timerCancel)}, point{"timer_expire_entry", 1, on(timerExpire)})
		// The socket came in Linux 6.11.
		if t.layout.parameters("kfree_skb") >= 4 {
			points = append(points, point{"kfree_skb", 4, dropped})
		}
	}
	if t.layout.parameters("tcp_send_reset") >= 3 {
		points = append(points, point{"tcp_send_reset", 3, sendReset})
	}
	return append(points, point{"tcp_receive_reset", 1, receiveReset}, point{"tcp_retransmit_skb", 1, retransmit}, point{"inet_sock_set_state", 3, setState})
}

func (t *Trace) attach(p point, spaces []uint32) error {
	if t.layout.parameters(p.name) < p.params {
		return &Error{"btf", "vmlinux", &missing{"tracepoint " + p.name}}
	}
	b := &builder{maps: t.maps, layout: t.layout, spaces: spaces}
	p.build(b)
	prog, err := load(p.name, ebpf.AttachTraceRawTp, b.finish())
	if err != nil {
		return err
	}
	t.programs = append(t.programs, prog)
	at, err := link.AttachTracing(link.TracingOptions{Program: prog, AttachType: ebpf.AttachTraceRawTp})
	if err != nil {
		return &Error{"attach", p.name, err}
	}
	t.links = append(t.links, at)
	return nil
}

func load(to string, how ebpf.AttachType, insns asm.Instructions) (*ebpf.Program, error) {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: to, Type: ebpf.Tracing, AttachType: how, AttachTo: to, Instructions: insns, License: license,
	})
	if err != nil {
		return nil, &Error{"load", to, err}
	}
	return prog, nil
}

// inodes are the namespaces' numbers, each once.
func inodes(spaces []*netns.NS) ([]uint32, error) {
	if len(spaces) == 0 {
		spaces = []*netns.NS{nil}
	}
	var all []uint32
	for _, ns := range spaces {
		id := ns.ID()
		if ns == nil {
			var err error
			if id, err = os.Readlink(netns.File); err != nil {
				return nil, &Error{"read", netns.File, errors.Unwrap(err)}
			}
		}
		number := strings.TrimSuffix(strings.TrimPrefix(id, "net:["), "]")
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			return nil, &Error{"read", netns.File, err}
		}
		if !slices.Contains(all, uint32(n)) {
			all = append(all, uint32(n))
		}
	}
	return all, nil
}

// Stop ends the trace and returns what it has counted.
func (t *Trace) Stop() (*Result, error) {
	err := t.detach()
	r := &Result{TimeWaitReason: t.timeWaitReason}
	return r, errors.Join(err, t.read(r), t.Close())
}

func (t *Trace) detach() error {
	var errs []error
	for _, l := range t.links {
		errs = append(errs, l.Close())
	}
	t.links = nil
	return errors.Join(errs...)
}

// Close ends the trace.
func (t *Trace) Close() error {
	errs := []error{t.detach()}
	for _, p := range t.programs {
		errs = append(errs, p.Close())
	}
	t.programs = nil
	if t.maps != nil {
		errs = append(errs, t.maps.close())
	}
	t.maps = nil
	return errors.Join(errs...)
}
