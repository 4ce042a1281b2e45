package trace

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
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
	// principals are those of programs that a stand-in follows, by the number of their tracepoint.
	principals []*ebpf.Program
	links      []link.Link
	// timeWaitReason says why minisockets are not followed.
	timeWaitReason string
	// resetReason says why resets that are sent are not followed.
	resetReason string
}

// point is a tracepoint and its program.
type point struct {
	name   string
	params int
	build  func(*builder)
}

// Start begins a trace. It needs CAP_BPF and CAP_PERFMON in the initial user namespace. The error is an *Error, or a *netns.Error.
func Start(c Config) (*Trace, error) {
	spaces, err := inodes(c.Namespaces)
	if err != nil {
		return nil, err
	}
	// First of all the maps, which an unprivileged process does not get: BTF takes longer to read.
	m, err := newMaps(&c)
	if err != nil {
		return nil, err
	}
	t := &Trace{maps: m}
	if err := t.start(spaces); err != nil {
		_ = t.Close() // err matters more
		return nil, err
	}
	return t, nil
}

func (t *Trace) start(spaces []uint32) (err error) {
	handler := make(chan address, 1)
	go func() { handler <- symbol("tw_timer_handler") }() // beside reading BTF: each takes tens of milliseconds
	types := btf.NewCache()
	t.layout, err = loadLayout(types)
	at := <-handler
	if err != nil {
		return err
	}
	points := t.points(at)
	loaded, err := t.load(points, types, spaces)
	if err != nil {
		return err
	}
	for _, p := range points {
		for _, name := range []string{p.name, p.name + standInSuffix} { // the kernel calls them in this order
			at, err := link.AttachTracing(link.TracingOptions{Program: loaded[name], AttachType: ebpf.AttachTraceRawTp})
			if err != nil {
				return &Error{"attach", p.name, err}
			}
			t.links = append(t.links, at)
		}
		t.principals = append(t.principals, loaded[p.name])
	}
	return nil
}

// points lists the programs. That of the states is the last, and so misses no minisocket.
func (t *Trace) points(handler address) []point {
	var points []point
	if handler.err != nil {
		t.timeWaitReason = handler.err.Error()
	} else {
		on := func(build func(*builder, uint64)) func(*builder) { return func(b *builder) { build(b, handler.at) } }
		points = append(points, point{"timer_start", 1, on(timerStart)}, point{"timer_cancel", 1, on(timerCancel)}, point{"timer_expire_entry", 1, on(timerExpire)})
		// The socket came in Linux 6.11.
		if t.layout.parameters("kfree_skb") >= 4 {
			points = append(points, point{"kfree_skb", 4, dropped})
		}
	}
	// The reason came in Linux 6.10.
	if t.layout.parameters("tcp_send_reset") >= 3 {
		points = append(points, point{"tcp_send_reset", 3, sendReset})
	} else {
		t.resetReason = "this kernel's tracepoint tcp_send_reset has no reason"
	}
	return append(points, point{"tcp_receive_reset", 1, receiveReset}, point{"tcp_retransmit_skb", 1, retransmit}, point{"inet_sock_set_state", 3, setState})
}

// standInSuffix follows the tracepoint in the name of a stand-in.
const standInSuffix = "_2"

// load loads the programs, by their tracepoints' names.
func (t *Trace) load(points []point, types *btf.Cache, spaces []uint32) (map[string]*ebpf.Program, error) {
	specs := make(map[string]*ebpf.ProgramSpec)
	for i, p := range points {
		if t.layout.parameters(p.name) < p.params {
			return nil, &Error{"btf", "vmlinux", &missing{"tracepoint " + p.name}}
		}
		for name, role := range map[string]role{p.name: principal, p.name + standInSuffix: standIn} {
			b := &builder{maps: t.maps, layout: t.layout, spaces: spaces, point: i, role: role}
			b.begins(p.params)
			p.build(b)
			specs[name] = spec(p.name, ebpf.AttachTraceRawTp, b.finish())
		}
	}
	c, err := ebpf.NewCollectionWithOptions(&ebpf.CollectionSpec{Programs: specs}, ebpf.CollectionOptions{Cache: types})
	if err != nil {
		return nil, &Error{"load", "the programs", err}
	}
	for _, p := range c.Programs {
		t.programs = append(t.programs, p)
	}
	return c.Programs, nil
}

func spec(to string, how ebpf.AttachType, insns asm.Instructions) *ebpf.ProgramSpec {
	return &ebpf.ProgramSpec{Name: to, Type: ebpf.Tracing, AttachType: how, AttachTo: to, Instructions: insns, License: license}
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
	r := &Result{TimeWaitReason: t.timeWaitReason, ResetReason: t.resetReason}
	return r, errors.Join(err, t.read(r), t.Close())
}

func (t *Trace) detach() error {
	var errs []error
	for _, l := range slices.Backward(t.links) { // a stand-in without its principal would count every event as missed
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
