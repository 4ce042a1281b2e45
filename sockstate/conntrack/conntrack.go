// Package conntrack reads what connection tracking of a network namespace holds: how many entries, their states, and what it could not take.
//
// Its files are opened once: reading them later needs neither a privilege nor a thread in the namespace.
package conntrack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"lastack/sockstate/netns"
)

// Stats are counters of all CPUs (/proc/net/stat/nf_conntrack).
type Stats struct {
	// InsertFailed counts connections that clashed with another one when their first packet left, as when a NAT found no free port.
	InsertFailed int64
	// Dropped counts packets of new connections for which there was no entry left (nf_conntrack_max), EarlyDropped entries of connections
	// that made room for a new one.
	Dropped, EarlyDropped int64
}

// Since is what has been counted since an earlier reading.
func (s Stats) Since(was Stats) Stats {
	return Stats{s.InsertFailed - was.InsertFailed, s.Dropped - was.Dropped, s.EarlyDropped - was.EarlyDropped}
}

// Source reads a namespace. It is not safe for concurrent use.
type Source struct {
	count, stat, table *os.File
	buf                []byte
}

// The files below /proc/thread-self/net, which is the namespace of the calling thread.
const (
	countFile = "/proc/sys/net/netfilter/nf_conntrack_count"
	statFile  = "/proc/thread-self/net/stat/nf_conntrack"
	tableFile = "/proc/thread-self/net/nf_conntrack"
)

// Open opens the files of a namespace; nil is the process's own. Only root of the namespace can read the states: without them States returns
// an error.
func Open(ns *netns.NS) (*Source, error) {
	s := &Source{buf: make([]byte, 64<<10)}
	err := ns.Do(func() (err error) {
		if s.count, err = os.Open(countFile); err != nil {
			return err
		}
		if s.stat, err = os.Open(statFile); err != nil {
			return err
		}
		s.table, _ = os.Open(tableFile)
		return nil
	})
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("connection tracking cannot be read: %w", err)
	}
	return s, nil
}

// Close closes the files.
func (s *Source) Close() {
	for _, f := range []*os.File{s.count, s.stat, s.table} {
		_ = f.Close() // nil is an error too
	}
}

// Count is the number of entries.
func (s *Source) Count() (int64, error) {
	n, err := s.count.ReadAt(s.buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return strconv.ParseInt(string(bytes.TrimSpace(s.buf[:n])), 10, 64)
}

// Stats reads the counters.
func (s *Source) Stats() (Stats, error) {
	return parseStats(io.NewSectionReader(s.stat, 0, 1<<20))
}

// States counts the TCP entries by state, as the kernel spells it.
func (s *Source) States() (map[string]int64, error) {
	if s.table == nil {
		return nil, fmt.Errorf("%s cannot be read (CONFIG_NF_CONNTRACK_PROCFS, or no privilege)", tableFile)
	}
	if _, err := s.table.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return parseStates(s.table)
}

// parseStats reads a head of names, and then a line of hexadecimal numbers for each CPU.
func parseStats(r io.Reader) (all Stats, err error) {
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		return all, errors.Join(errors.New("no head"), lines.Err())
	}
	columns := make(map[string]int)
	for i, name := range bytes.Fields(lines.Bytes()) {
		columns[string(name)] = i
	}
	for lines.Scan() {
		fields := bytes.Fields(lines.Bytes())
		for _, c := range []struct {
			name string
			to   *int64
		}{{"insert_failed", &all.InsertFailed}, {"drop", &all.Dropped}, {"early_drop", &all.EarlyDropped}} {
			i, has := columns[c.name]
			if !has || i >= len(fields) {
				return all, fmt.Errorf("no column %s", c.name)
			}
			n, err := strconv.ParseUint(string(fields[i]), 16, 63)
			if err != nil {
				return all, fmt.Errorf("column %s: %w", c.name, err)
			}
			*c.to += int64(n)
		}
	}
	return all, lines.Err()
}

// stateField is the field of a line that has the state: ipv4 2 tcp 6 119 TIME_WAIT src=... An offloaded one has no time left there.
const stateField = 5

// parseStates counts lines of /proc/net/nf_conntrack by state.
func parseStates(r io.Reader) (map[string]int64, error) {
	all := make(map[string]int64)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		rest, field, tcp := lines.Bytes(), []byte(nil), false
		for i := 0; i <= stateField; i++ {
			rest = bytes.TrimLeft(rest, " ")
			field, rest, _ = bytes.Cut(rest, []byte(" "))
			tcp = tcp || i == 2 && string(field) == "tcp"
		}
		if tcp && len(field) > 0 && !bytes.ContainsRune(field, '=') {
			all[string(field)]++
		}
	}
	return all, lines.Err()
}
