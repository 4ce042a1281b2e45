package trace

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"lastack/sockstate"
	"lastack/sockstate/netns"
)

// Events watches each change of state of the TCP sockets of a few namespaces: of one connection, or a few. A load is traced by a Trace.
type Events struct {
	spaces  []uint32
	queue   *ebpf.Map
	lost    *ebpf.Map // the number of events that found no room
	program *ebpf.Program
	link    link.Link
}

// An event in the queue.
const (
	eventAt    = 0
	eventSpace = 8  // 4 bytes: the inode of its namespace
	eventOld   = 12 // 2 bytes each
	eventNew   = 14
	eventBytes = 16
)

// Watch begins to watch. The privileges and errors are those of Start.
func Watch(namespaces ...*netns.NS) (*Events, error) {
	spaces, err := inodes(namespaces)
	if err != nil {
		return nil, err
	}
	e := &Events{spaces: spaces}
	// First the map, which an unprivileged process does not get: BTF takes longer to read.
	if e.queue, err = newMap(&ebpf.MapSpec{Name: "events", Type: ebpf.Queue, ValueSize: eventBytes, MaxEntries: MaxEvents}); err != nil {
		return nil, err
	}
	if e.lost, err = newMap(&ebpf.MapSpec{Name: "lost", Type: ebpf.Array, KeySize: 4, ValueSize: word, MaxEntries: 1}); err == nil {
		err = e.start()
	}
	if err != nil {
		_ = e.Close() // err matters more
		return nil, err
	}
	return e, nil
}

func (e *Events) start() error {
	const point = "inet_sock_set_state"
	types := btf.NewCache()
	l, err := loadLayout(types)
	if err != nil {
		return err
	}
	if l.parameters(point) < 3 {
		return &Error{"btf", "vmlinux", &missing{"tracepoint " + point}}
	}
	b := &builder{layout: l, spaces: e.spaces}
	e.tell(b)
	specs := map[string]*ebpf.ProgramSpec{point: spec(point, ebpf.AttachTraceRawTp, b.finish())}
	c, err := ebpf.NewCollectionWithOptions(&ebpf.CollectionSpec{Programs: specs}, ebpf.CollectionOptions{Cache: types})
	if err != nil {
		return &Error{"load", point, err}
	}
	e.program = c.Programs[point]
	if e.link, err = link.AttachTracing(link.TracingOptions{Program: e.program, AttachType: ebpf.AttachTraceRawTp}); err != nil {
		return &Error{"attach", point, err}
	}
	return nil
}

// tell puts an event into the queue.
func (e *Events) tell(b *builder) {
	b.add(
		argument(rSock, 0), argument(rOld, 1), argument(rNew, 2),
	)
	b.ofLoad()
	b.add(
		asm.StoreMem(asm.R10, valueAt+eventSpace, asm.R2, asm.Word),
		asm.StoreMem(asm.R10, valueAt+eventOld, rOld, asm.Half),
		asm.StoreMem(asm.R10, valueAt+eventNew, rNew, asm.Half),
	)
	b.now()
	b.add(
		asm.StoreMem(asm.R10, valueAt+eventAt, asm.R0, asm.DWord),
		asm.LoadMapPtr(asm.R1, e.queue.FD()),
		asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, valueAt),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnMapPushElem.Call(),
		asm.JEq.Imm(asm.R0, 0, exit),
		asm.StoreImm(asm.R10, indexAt, 0, asm.Word),
	)
	b.lookup(e.lost, indexAt)
	b.add(
		asm.JEq.Imm(asm.R0, 0, exit),
		asm.Mov.Imm(asm.R1, 1), asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0),
	)
}

// Read takes the events out of the queue, in the order of their times. If some found no room, those that did are returned beside an error.
func (e *Events) Read() (all []Event, err error) {
	b := make([]byte, eventBytes)
	for {
		err := e.queue.LookupAndDelete(nil, &b)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			break
		}
		if err != nil {
			return nil, &Error{"read", "events", err}
		}
		state := func(at int) sockstate.State { return sockstate.State(binary.NativeEndian.Uint16(b[at:])) }
		all = append(all, Event{
			At: int64(binary.NativeEndian.Uint64(b[eventAt:])), Namespace: slices.Index(e.spaces, binary.NativeEndian.Uint32(b[eventSpace:])),
			Old: state(eventOld), New: state(eventNew),
		})
	}
	slices.SortStableFunc(all, func(a, b Event) int { return cmp.Compare(a.At, b.At) }) // CPUs put them in side by side
	var lost uint64
	if err := e.lost.Lookup(uint32(0), &lost); err != nil {
		return all, &Error{"read", "lost", err}
	}
	if lost > 0 {
		return all, &Error{"read", "events", &lostError{lost}}
	}
	return all, nil
}

// Close ends the watch.
func (e *Events) Close() error {
	var errs []error
	if e.link != nil {
		errs = append(errs, e.link.Close())
	}
	if e.program != nil {
		errs = append(errs, e.program.Close())
	}
	for _, m := range []*ebpf.Map{e.queue, e.lost} {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	*e = Events{}
	return errors.Join(errs...)
}
