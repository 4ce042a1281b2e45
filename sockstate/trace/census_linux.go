package trace

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/netns"
)

var _ sockstate.Source = (*Census)(nil)

// Census counts sockets in the kernel: a program that the kernel calls for each socket of a namespace (iter/tcp). Only the sums come
// out, and the use of ports by pair. It is not safe for concurrent use.
type Census struct {
	places []*place
	hz     uint64
	layout *censusLayout
	tally  *ebpf.Map
	// servers is the load's addresses, as the program has them.
	servers  *ebpf.Map
	selected []netip.AddrPort
	// chosen is set if the program has all of them.
	chosen bool
	pairs  *ebpf.Map
	// left is set while pairs may have what no census has taken.
	left    bool
	program *ebpf.Program
	iter    *link.Iter

	seen int
	// Working memory of the reading of pairs.
	keys   []pairKey
	values []pairValue
}

// tally is what the program counts, with the limits of a TIME_WAIT's remaining time before: less than Earlier, at least Fresh, less than
// Reusable. Times are in ticks.
type tally struct {
	Earlier, Fresh, Reusable uint64
	Seen                     uint64
	// Lost counts the sockets whose pair found no room.
	Lost                 uint64
	LongestLeft          uint64
	AcceptQueue, Backlog uint64
	NotAccepted          uint64
	Mini, Orphans        [sockstate.NumSides]uint64
	Count                [sockstate.NumSides][states]uint64
	Ages                 [sockstate.NumSides][sockstate.NumAges]uint64
}

// endpoint is an address, IPv4 as IPv4-mapped, and its port.
type endpoint struct {
	Addr [16]byte
	Port uint64
}

type pairKey struct {
	Source      [16]byte
	Destination endpoint
}

type pairValue struct {
	Open, TimeWait, Reusable, Entered, Earlier uint64
}

// pairsBatch is how many pairs are read at a time.
const pairsBatch = 1 << 8

// wildcard stands for all addresses in a key of servers: a listener on all has only the port. No socket has it as its own.
var wildcard = [16]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// OpenCensus loads the program. It needs CAP_BPF and CAP_PERFMON in the initial user namespace, and for other namespaces the privileges of
// netns.NS.Do; a Census needs none. The error is an *Error or a *netns.Error.
func OpenCensus(cfg CensusConfig) (*Census, error) {
	c := &Census{hz: uint64(clock.HZ())}
	if err := c.open(&cfg); err != nil {
		_ = c.Close() // err matters more
		return nil, err
	}
	return c, nil
}

func (c *Census) open(cfg *CensusConfig) (err error) {
	// Before Linux 5.19 a process without privileges may not read what it has loaded with them.
	if v, err := features.LinuxVersionCode(); err == nil && v < 5<<16|19<<8 {
		return &Error{"iterate", "iter/tcp", &missing{"reading of maps without privileges (Linux 5.19)"}}
	}
	// First of all the maps, which an unprivileged process does not get: BTF takes longer to read.
	if c.tally, err = newMap(&ebpf.MapSpec{Name: "tally", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(binary.Size(tally{})), MaxEntries: 1}); err != nil {
		return err
	}
	types := btf.NewCache()
	if c.layout, err = loadCensusLayout(types); err != nil {
		return err
	}
	spaces := cfg.Namespaces
	if len(spaces) == 0 {
		spaces = []*netns.NS{nil}
	}
	for _, ns := range spaces {
		p, err := enter(ns)
		if err != nil {
			return err
		}
		c.places = append(c.places, p)
	}
	if err := c.load(types, max(cfg.Servers, fewServers), max(cfg.Pairs, fewPairs)); err != nil {
		return err
	}
	// The iterator may be refused although its program is not.
	file, err := c.iterate(c.places[0])
	if err != nil {
		return err
	}
	return file.Close()
}

// load loads the program, with room for so many servers and pairs.
func (c *Census) load(types *btf.Cache, servers, pairs int) (err error) {
	if c.servers, err = newMap(&ebpf.MapSpec{Name: "servers", Type: ebpf.Hash, KeySize: uint32(binary.Size(endpoint{})), ValueSize: 4, MaxEntries: keysOfServer * uint32(servers)}); err != nil {
		return err
	}
	if c.pairs, err = newMap(&ebpf.MapSpec{
		Name: "pairs", Type: ebpf.Hash, KeySize: uint32(binary.Size(pairKey{})), ValueSize: uint32(binary.Size(pairValue{})), MaxEntries: uint32(pairs), Flags: unix.BPF_F_NO_PREALLOC,
	}); err != nil {
		return err
	}
	const name = "tcp"
	loaded, err := ebpf.NewCollectionWithOptions(&ebpf.CollectionSpec{
		Programs: map[string]*ebpf.ProgramSpec{name: spec(name, ebpf.AttachTraceIter, c.assemble())},
	}, ebpf.CollectionOptions{Cache: types})
	if err != nil {
		return &Error{"load", "iter/tcp", err}
	}
	c.program = loaded.Programs[name]
	if c.iter, err = link.AttachIter(link.IterOptions{Program: c.program}); err != nil {
		return &Error{"attach", "iter/tcp", err}
	}
	return nil
}

// iterate makes an iterator of a namespace: that of the thread which makes it (bpf_iter_init_seq_net).
func (c *Census) iterate(p *place) (file io.ReadCloser, err error) {
	p.do(func() { file, err = c.iter.Open() })
	if err != nil {
		return nil, &Error{"iterate", "iter/tcp", err}
	}
	return file, nil
}

// Census adds the load's sockets to into. The error is an *Error.
func (c *Census) Census(f *sockstate.Filter, into *sockstate.Census) error {
	c.seen = 0
	if len(f.Servers) == 0 {
		return nil
	}
	if err := c.choose(f.Servers); err != nil {
		return err
	}
	if c.left { // an earlier one failed
		if err := c.takePairs(func(*pairKey, *pairValue) {}); err != nil {
			return err
		}
	}
	c.left = true
	t, err := c.walk(f.Limits())
	if err != nil {
		return err
	}
	c.seen = int(t.Seen)
	c.add(t, into)
	if err := c.takePairs(func(k *pairKey, v *pairValue) { addPair(f, into, k, v) }); err != nil || t.Lost == 0 {
		return err
	}
	return &Error{"map", "pairs", &fullError{c.pairs.MaxEntries()}}
}

// choose gives the program the servers.
func (c *Census) choose(servers []netip.AddrPort) error {
	if c.chosen && slices.Equal(c.selected, servers) {
		return nil
	}
	c.chosen = false
	for _, s := range c.selected {
		for _, key := range keysOf(s) {
			if err := c.servers.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return &Error{"map", "servers", err}
			}
		}
	}
	c.selected = slices.Clone(servers)
	for i, s := range servers {
		for _, key := range keysOf(s) {
			if err := c.servers.Update(key, uint32(i), ebpf.UpdateNoExist); err != nil && !errors.Is(err, ebpf.ErrKeyExist) {
				return &Error{"map", "servers", err}
			}
		}
	}
	c.chosen = true
	return nil
}

// keysOfServer is the number of keys of a server.
const keysOfServer = 2

// keysOf is a server's own address, and the one of a listener on all addresses.
func keysOf(s netip.AddrPort) [keysOfServer]endpoint {
	return [keysOfServer]endpoint{{s.Addr().As16(), uint64(s.Port())}, {wildcard, uint64(s.Port())}}
}

// place is a thread in a namespace: later another could not enter it, once the process has dropped its privileges. Nil is that of the caller.
type place struct {
	calls chan func()
	left  chan struct{}
}

func enter(ns *netns.NS) (*place, error) {
	if ns == nil {
		return nil, nil
	}
	p := &place{make(chan func()), make(chan struct{})}
	entered := make(chan error, 1)
	go func() {
		defer close(p.left)
		entered <- ns.Do(func() error {
			entered <- nil
			for f := range p.calls {
				f()
			}
			return nil
		})
	}()
	return p, <-entered
}

// do calls f there.
func (p *place) do(f func()) {
	if p == nil {
		f()
		return
	}
	done := make(chan struct{})
	p.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}

func (p *place) leave() {
	if p != nil {
		close(p.calls)
		<-p.left
	}
}

// walk calls the program for the sockets of all namespaces.
func (c *Census) walk(l sockstate.Limits) (*tally, error) {
	t := tally{Earlier: c.from(l.Earlier), Fresh: c.from(l.Fresh + 1), Reusable: c.from(l.Reusable)}
	if err := c.tally.Put(uint32(0), &t); err != nil {
		return nil, &Error{"map", "tally", err}
	}
	for _, p := range c.places {
		file, err := c.iterate(p)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(drain(file), file.Close()); err != nil {
			return nil, &Error{"iterate", "iter/tcp", err}
		}
	}
	if err := c.tally.Lookup(uint32(0), &t); err != nil {
		return nil, &Error{"read", "tally", err}
	}
	return &t, nil
}

// drain reads to the end. The program writes nothing, so a read returns when all sockets have been seen, or with EAGAIN after a million of them
// (MAX_ITER_OBJECTS).
func drain(r io.Reader) error {
	for {
		var b [1]byte
		_, err := r.Read(b[:])
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, syscall.EAGAIN):
			return err
		}
	}
}

// from is the fewest ticks that are not less than d.
func (c *Census) from(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64(d/time.Second)*c.hz + (uint64(d%time.Second)*c.hz+uint64(time.Second)-1)/uint64(time.Second)
}

// add adds the sums.
func (c *Census) add(t *tally, into *sockstate.Census) {
	for side := range sockstate.NumSides {
		for state := range sockstate.NumStates {
			into.Count[side][state] += int(t.Count[side][state])
		}
		for age, n := range t.Ages[side] {
			into.Ages[side][age] += int(n)
		}
		into.FinWait2Mini[side] += int(t.Mini[side])
		into.Orphans[side] += int(t.Orphans[side])
	}
	into.NotAccepted += int(t.NotAccepted)
	into.AcceptQueue += int(t.AcceptQueue)
	into.Backlog += int(t.Backlog)
	into.LongestLeft = max(into.LongestLeft, time.Duration(t.LongestLeft)*time.Second/time.Duration(c.hz))
}

// takePairs takes the use of ports out of the map.
func (c *Census) takePairs(each func(*pairKey, *pairValue)) error {
	if c.keys == nil {
		c.keys, c.values = make([]pairKey, pairsBatch), make([]pairValue, pairsBatch)
	}
	var cursor ebpf.MapBatchCursor
	for {
		n, err := c.pairs.BatchLookupAndDelete(&cursor, c.keys, c.values, nil)
		for i := range n {
			each(&c.keys[i], &c.values[i])
		}
		switch {
		case errors.Is(err, ebpf.ErrKeyNotExist):
			c.left = false
			return nil
		case err != nil:
			return &Error{"read", "pairs", err}
		}
	}
}

func addPair(f *sockstate.Filter, into *sockstate.Census, k *pairKey, v *pairValue) {
	p := sockstate.Pair{
		Source:      netip.AddrFrom16(k.Source).Unmap(),
		Destination: netip.AddrPortFrom(netip.AddrFrom16(k.Destination.Addr).Unmap(), uint16(k.Destination.Port)),
	}
	use := sockstate.PortUse{Open: int(v.Open), TimeWait: int(v.TimeWait), Entered: int(v.Entered), Earlier: int(v.Earlier)}
	if f.Reuse.OnPair(p) {
		use.Reusable = int(v.Reusable)
	}
	into.AddUse(p, use)
}

// Seen is the number of sockets of all namespaces that the last Census looked at, whatever their load.
func (c *Census) Seen() int { return c.seen }

// Close unloads the program.
func (c *Census) Close() error {
	var errs []error
	if c.iter != nil {
		errs = append(errs, c.iter.Close())
	}
	if c.program != nil {
		errs = append(errs, c.program.Close())
	}
	for _, m := range []*ebpf.Map{c.tally, c.servers, c.pairs} {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	for _, p := range c.places {
		p.leave()
	}
	*c = Census{}
	return errors.Join(errs...)
}
