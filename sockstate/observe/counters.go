package observe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"lastack/sockstate"
)

// ParseError is a malformed file under /proc.
type ParseError struct {
	// File is the path, or empty.
	File string
	// Line counts from 1.
	Line int
	What string
}

func (e *ParseError) Error() string {
	file := e.File
	if file == "" {
		file = "input"
	}
	return fmt.Sprintf("%s:%d: %s", file, e.Line, e.What)
}

// maxLine bounds a line; the longest, of TcpExt, has about 3 KB.
const maxLine = 64 << 10

// scanLines calls each for every line, and adds the line number to what it says is wrong.
func scanLines(r io.Reader, each func(line []byte) (what string)) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4096), maxLine)
	n := 0
	for s.Scan() {
		n++
		if what := each(s.Bytes()); what != "" {
			return &ParseError{Line: n, What: what}
		}
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return &ParseError{Line: n + 1, What: "the line is too long"}
	} else if err != nil {
		return err
	}
	return nil
}

// levels are the fields of the Tcp line that are not counters: the MIB's limits and
// CurrEstab (snmp4_tcp_list).
const levels = " RtoAlgorithm RtoMin RtoMax MaxConn CurrEstab "

// parseCounters adds the TCP counters of /proc/net/snmp or netstat to c. Both files have
// two lines for each group (snmp_seq_show, netstat_seq_show):
//
//	Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens ...
//	Tcp: 1 200 120000 -1 17 ...
//
// The groups Tcp and TcpExt hold all of TCP, over IPv6 too: /proc/net/snmp6 has no TCP
// counters. Every name is kept, also a newer kernel's; prometheus/procfs would keep only those
// that it knows. On an error c has the groups before the malformed one.
func parseCounters(r io.Reader, c sockstate.Counters) error {
	var names []byte // the first line of a pair, or empty
	lines := 0
	err := scanLines(r, func(line []byte) string {
		lines++
		if len(names) == 0 {
			if names = append(names, line...); len(names) == 0 {
				return "an empty line"
			}
			return ""
		}
		what := parsePair(names, line, c)
		names = names[:0]
		return what
	})
	if err == nil && len(names) > 0 {
		return &ParseError{Line: lines, What: "names without values"}
	}
	return err
}

func parsePair(names, values []byte, c sockstate.Counters) (what string) {
	group, names, ok := bytes.Cut(names, []byte(": "))
	again, values, ok2 := bytes.Cut(values, []byte(": "))
	if !ok || !ok2 || !bytes.Equal(group, again) {
		return fmt.Sprintf("group %q is followed by %q", group, again)
	}
	if g := string(group); g != "Tcp" && g != "TcpExt" {
		return ""
	}
	keys, vals := strings.Fields(string(names)), strings.Fields(string(values))
	if len(keys) != len(vals) {
		return fmt.Sprintf("group %s has %d names and %d values", group, len(keys), len(vals))
	}
	numbers := make([]int64, len(vals))
	for i, k := range keys {
		var err error
		if numbers[i], err = parseInt(vals[i]); err != nil {
			return fmt.Sprintf("%s%s is %q, not a number", group, k, vals[i])
		}
	}
	for i, k := range keys {
		if !strings.Contains(levels, " "+k+" ") {
			c[string(group)+k] = numbers[i]
		}
	}
	return ""
}

// parseInt parses the output of %lu and %ld. A counter above the largest int64 wraps, which
// does not change a difference.
func parseInt(s string) (int64, error) {
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		return int64(u), nil
	}
	return strconv.ParseInt(s, 10, 64)
}

// sockstat is the TCP line of /proc/net/sockstat; a missing field is Unknown.
type sockstat struct {
	orphan, tw, mem int64
}

// parseSockstat parses /proc/net/sockstat (sockstat_seq_show):
//
//	TCP: inuse 17 orphan 0 tw 9 alloc 33 mem 196
func parseSockstat(r io.Reader, s *sockstat) error {
	return scanLines(r, func(line []byte) string {
		proto, rest, ok := strings.Cut(string(line), ":")
		if !ok {
			return "no protocol"
		}
		if proto != "TCP" {
			return ""
		}
		f := strings.Fields(rest)
		if len(f)%2 != 0 {
			return "TCP has a key without a value"
		}
		for i := 0; i < len(f); i += 2 {
			v, err := strconv.ParseInt(f[i+1], 10, 64)
			if err != nil {
				return fmt.Sprintf("TCP %s is %q, not a number", f[i], f[i+1])
			}
			switch f[i] {
			case "orphan":
				s.orphan = v
			case "tw":
				s.tw = v
			case "mem":
				s.mem = v
			}
		}
		return ""
	})
}

// CounterNames lists the names of this kernel's TCP counters, nil if they cannot be read.
func CounterNames() []string {
	c := make(sockstate.Counters)
	for _, name := range []string{"/proc/net/snmp", "/proc/net/netstat"} {
		f, err := os.Open(name)
		if err != nil {
			return nil
		}
		err = parseCounters(f, c)
		f.Close()
		if err != nil {
			return nil
		}
	}
	return slices.Sorted(maps.Keys(c))
}
