package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"lastack/sockstate"
)

// read fills in r from the maps, once nothing changes them any more.
func (t *Trace) read(r *Result) error {
	if err := t.readTables(r); err != nil {
		return err
	}
	for side := range sockstate.NumSides {
		for state := range sockstate.NumStates {
			if err := t.readDwell(&r.Dwell[side][state], side, state); err != nil {
				return err
			}
		}
		if err := t.readDwell(&r.Close[side], side, closeRow); err != nil {
			return err
		}
	}
	err := each(t.maps.sockets, func(v *sockValue) {
		r.Living[v.Side&1][v.State%uint32(sockstate.NumStates)]++
	})
	err = errors.Join(err, each(t.maps.timeWaits, r.addMini))
	r.balance()
	return err
}

// sockValue and twValue are entries of the maps, as the programs lay them out (sockSince, twSince).
type (
	sockValue struct {
		Since, Close uint64
		State, Side  uint32
		Key          uint64
	}
	twValue struct {
		Since, Close, Cancelled, Started uint64
		Flags, State, Next, Side         uint32
	}
)

// addMini counts a minisocket that the programs still follow. One whose timer was stopped, and not started again, has ended.
func (r *Result) addMini(v *twValue) {
	side, state := v.Side&1, v.State%uint32(sockstate.NumStates)
	if v.Flags&flagCancelled == 0 {
		r.Living[side][state]++
		return
	}
	r.Transitions[side][state][sockstate.Closed]++
	if sockstate.State(state) == sockstate.FinWait2 {
		r.FinWait2[side].Early++
	} else {
		r.TimeWaits[side].Early++
	}
	r.Dwell[side][state].Add(time.Duration(max(int64(v.Cancelled-v.Since), 0)))
}

func (t *Trace) readTables(r *Result) error {
	sum := make([]int64, tablesBytes/word)
	if err := perCPU(t.maps.tables, 0, func(v []byte) {
		for i := range sum {
			sum[i] += int64(binary.NativeEndian.Uint64(v[i*word:]))
		}
	}); err != nil {
		return err
	}
	for side := range sockstate.NumSides {
		table := func(at, bytes int) []int64 { return sum[(at+side*bytes)/word:][:bytes/word] }
		transitions := table(transitionsAt, states*states*word)
		received, again := table(receivedAt, states*word), table(retransmitsAt, states*word)
		for state := range sockstate.NumStates {
			copy(r.Transitions[side][state][:], transitions[state*states:])
		}
		copy(r.Received[side][:], received)
		copy(r.Retransmits[side][:], again)
		ends := table(twAt, endWords*word)
		r.TimeWaits[side], r.FinWait2[side] = minis(ends), minis(ends[numEnds:])
		for i, n := range table(sentAt, numReasons*states*word) {
			if n == 0 {
				continue
			}
			reason, known := t.layout.reasons[uint64(i/states)]
			if !known {
				reason = fmt.Sprintf("REASON_%d", i/states)
			}
			r.Sent = append(r.Sent, Reset{Side: sockstate.Side(side), Reason: reason, State: sockstate.State(i % states), N: n})
		}
	}
	for i, p := range t.principals {
		stats, err := p.Stats()
		if err != nil {
			return &Error{"read", "the programs' statistics", err}
		}
		r.Lost.Missed += max(0, int64(stats.RecursionMisses)-sum[stoodInAt/word+i])
	}
	lost := sum[lostAt/word:]
	r.Lost.Sockets, r.Lost.TimeWaits, r.Lost.Unknown, r.Lost.Resets = lost[lostSockets], lost[lostTimeWaits], lost[lostUnknown], lost[lostResets]
	return nil
}

func minis(ends []int64) Minis {
	return Minis{Expired: ends[endExpired], Early: ends[endEarly], Rearmed: ends[endRearmed]}
}

func (t *Trace) readDwell(d *Dwell, side, row int) error {
	return perCPU(t.maps.dwell, uint32(side*states+row), func(v []byte) {
		at := func(i int) uint64 { return binary.NativeEndian.Uint64(v[i:]) }
		one := Dwell{Sum: time.Duration(at(dwellSumAt)), Max: time.Duration(at(dwellMaxAt)), Min: time.Duration(^at(dwellMinAt)), buckets: make([]uint64, numBuckets)}
		for i := range one.buckets {
			one.buckets[i] = at(i * word)
		}
		d.merge(&one)
	})
}

// perCPU calls f with the value of each CPU.
func perCPU(m *ebpf.Map, key uint32, f func([]byte)) error {
	var values [][]byte
	if err := m.Lookup(key, &values); err != nil {
		return &Error{"read", m.String(), err}
	}
	for _, v := range values {
		f(v)
	}
	return nil
}

// batch is how many entries are read at a time.
const batch = 1 << 14

// each calls f with every value of a hash.
func each[V any](m *ebpf.Map, f func(*V)) error {
	var cursor ebpf.MapBatchCursor
	keys, values := make([]uint64, batch), make([]V, batch)
	for {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		for i := range n {
			f(&values[i])
		}
		switch {
		case errors.Is(err, ebpf.ErrKeyNotExist):
			return nil
		case err != nil:
			return &Error{"read", m.String(), err}
		}
	}
}
