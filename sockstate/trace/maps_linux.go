package trace

import (
	"errors"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// maps are what the programs count in.
type maps struct {
	ports     *ebpf.Map // a bit for each port of a server
	tables    *ebpf.Map
	dwell     *ebpf.Map // by side and state
	sockets   *ebpf.Map
	timeWaits *ebpf.Map
	resets    *ebpf.Map // connections of which a reset has ended one end
}

// maxResets is how many such connections are followed. Those whose other end is elsewhere stay.
const maxResets = 1 << 16

// portsBytes is the size of a bit for each port.
const portsBytes = 1 << 13

func newMaps(c *Config) (*maps, error) {
	m := &maps{}
	flags := onDemand()
	for _, x := range []struct {
		into **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&m.ports, ebpf.MapSpec{Name: "ports", Type: ebpf.Array, KeySize: 4, ValueSize: portsBytes, MaxEntries: 1}},
		{&m.tables, ebpf.MapSpec{Name: "tables", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: tablesBytes, MaxEntries: 1}},
		{&m.dwell, ebpf.MapSpec{Name: "dwell", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: dwellBytes, MaxEntries: sockstate.NumSides * states}},
		{&m.sockets, ebpf.MapSpec{Name: "sockets", Type: ebpf.Hash, KeySize: word, ValueSize: sockBytes, MaxEntries: entries(c.Sockets), Flags: flags}},
		{&m.timeWaits, ebpf.MapSpec{Name: "time_waits", Type: ebpf.Hash, KeySize: word, ValueSize: twBytes, MaxEntries: entries(c.TimeWaits), Flags: flags}},
		{&m.resets, ebpf.MapSpec{Name: "resets", Type: ebpf.Hash, KeySize: pairBytes, ValueSize: resetBytes, MaxEntries: maxResets, Flags: flags}},
	} {
		one, err := newMap(&x.spec)
		if err != nil {
			_ = m.close() // err matters more
			return nil, err
		}
		*x.into = one
	}
	bits := make([]byte, portsBytes)
	for _, s := range c.Servers {
		bits[s.Port()/8] |= 1 << (s.Port() % 8)
	}
	if err := m.ports.Put(uint32(0), bits); err != nil {
		_ = m.close() // err matters more
		return nil, &Error{"map", "ports", err}
	}
	return m, nil
}

func newMap(spec *ebpf.MapSpec) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, &Error{"map", spec.Name, err}
	}
	return m, nil
}

func entries(n int) uint32 {
	if n <= 0 {
		n = DefaultSockets
	}
	return uint32(n)
}

// onDemand makes a hash allocate entries as they come. Before Linux 6.1 that could deadlock in a tracing program.
func onDemand() uint32 {
	if v, err := features.LinuxVersionCode(); err != nil || v < 6<<16|1<<8 {
		return 0
	}
	return unix.BPF_F_NO_PREALLOC
}

func (m *maps) close() error {
	var errs []error
	for _, x := range []*ebpf.Map{m.ports, m.tables, m.dwell, m.sockets, m.timeWaits, m.resets} {
		if x != nil {
			errs = append(errs, x.Close())
		}
	}
	return errors.Join(errs...)
}
