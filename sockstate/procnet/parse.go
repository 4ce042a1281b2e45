// Package procnet takes a census from /proc/net/tcp and tcp6. This source needs no
// privilege and no kernel option, and is the slowest: a line costs the kernel 2 to 3
// microseconds, about ten times the cost of parsing it.
package procnet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"lastack/sockstate"
)

// bufferSize is the size of the buffer that parse makes when it gets none.
const bufferSize = 64 << 10

// Errors that a ParseError wraps.
var (
	// errTruncated is input that ends within a line.
	errTruncated = errors.New("ends before the line does")
	// errNoHeader is input that does not begin with the table's header.
	errNoHeader = errors.New("is not the header of /proc/net/tcp or tcp6")
	// errTooLong is a line that does not fit into the buffer.
	errTooLong = errors.New("is too long")
	// errField is a missing or malformed field.
	errField = errors.New("is malformed")
)

// ParseError is input that is not in the format of tcp4_seq_show or tcp6_seq_show.
type ParseError struct {
	// File is the path, empty if parse was called directly.
	File string
	// Line counts from 1, the header.
	Line int
	// Field is the name of the malformed field in the table's header, or "line".
	Field string
	// Text is the beginning of the line.
	Text string
	// Err is one of the errors above.
	Err error
}

func (e *ParseError) Error() string {
	file := e.File
	if file == "" {
		file = "socket table"
	}
	return fmt.Sprintf("%s:%d: %s %v: %q", file, e.Line, e.Field, e.Err, e.Text)
}

func (e *ParseError) Unwrap() error { return e.Err }

// parse reads a table in the format of /proc/net/tcp or tcp6 to its end and calls
// each for every socket, in a Socket that it reuses. IPv4-mapped addresses are
// unmapped. The kernel prints request sockets as SYN_RECV, and a listener's accept
// queue length, but not its backlog, as rx_queue.
//
// buf is working memory, at least as long as the longest line; if it is empty, parse
// makes 64 KiB. Nothing else is allocated. On an error (a *ParseError or r's own)
// each has been called for the lines before it.
func parse(r io.Reader, buf []byte, each func(*sockstate.Socket)) error {
	if len(buf) == 0 {
		buf = make([]byte, bufferSize)
	}
	var p parser
	have := 0 // bytes in buf
	for idle := 0; ; {
		n, err := r.Read(buf[have:])
		have += n
		rest, perr := p.lines(buf[:have], each)
		if perr != nil {
			return perr
		}
		have = copy(buf, rest)
		switch {
		case err == io.EOF && have > 0:
			p.line++
			return p.fail("line", errTruncated, buf[:have])
		case err == io.EOF && p.line == 0:
			p.line++
			return p.fail("line", errNoHeader, nil)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case have == len(buf):
			p.line++
			return p.fail("line", errTooLong, buf)
		case n > 0:
			idle = 0
		default:
			if idle++; idle == 100 {
				return io.ErrNoProgress
			}
		}
	}
}

// parser is the state of one parse.
type parser struct {
	line   int
	socket sockstate.Socket
}

func (p *parser) fail(field string, err error, line []byte) error {
	const enough = 160 // a whole line of tcp
	return &ParseError{Line: p.line, Field: field, Text: string(line[:min(len(line), enough)]), Err: err}
}

// lines parses the complete lines of b and returns the rest.
func (p *parser) lines(b []byte, each func(*sockstate.Socket)) ([]byte, error) {
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return b, nil
		}
		line := b[:end]
		b = b[end+1:]
		p.line++
		if p.line == 1 {
			if !isHeader(line) {
				return nil, p.fail("line", errNoHeader, line)
			}
			continue
		}
		if field := parseLine(line, &p.socket); field != "" {
			return nil, p.fail(field, errField, line)
		}
		each(&p.socket)
	}
}

func isHeader(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("sl ")) && bytes.Contains(line, []byte(" local_address "))
}

// userHz is the kernel's USER_HZ, the unit of printed timers on every architecture
// that Go supports (jiffies_delta_to_clock_t).
const userHz = 100

// timerTimeWait is the value of tr for a timewait_sock (get_timewait4_sock).
const timerTimeWait = 3

// parseLine parses one line into s and returns the name of the malformed field, or "".
// The kernel's format (get_tcp4_sock):
//
//	sl: local:port rem:port st tx_queue:rx_queue tr:when retrnsmt uid timeout inode ...
//
// The fields after the inode differ by kind of socket and are ignored.
func parseLine(line []byte, s *sockstate.Socket) string {
	f := fields{b: line}
	*s = sockstate.Socket{}

	if f.decimal(); !f.byte(':') {
		return "sl"
	}
	if s.Tuple.Local = f.address(); !f.space() {
		return "local_address"
	}
	if s.Tuple.Remote = f.address(); !f.space() {
		return "remote_address"
	}
	st := f.hex(2)
	if !f.space() || st < uint64(sockstate.Established) || st > uint64(sockstate.NewSynRecv) {
		return "st"
	}
	s.State = sockstate.State(st)
	if f.hex(8); !f.byte(':') {
		return "tx_queue"
	}
	queue := f.hex(8)
	if !f.space() {
		return "rx_queue"
	}
	timer := f.hex(2)
	if !f.byte(':') {
		return "tr"
	}
	when := f.hex(16)
	if !f.space() {
		return "tm->when"
	}
	if f.hex(8); !f.space() {
		return "retrnsmt"
	}
	if f.decimal(); !f.space() {
		return "uid"
	}
	if f.decimal(); !f.space() {
		return "timeout"
	}
	if s.Inode = f.decimal(); f.bad || len(f.b) > 0 && f.b[0] != ' ' {
		return "inode"
	}

	switch {
	case s.State == sockstate.Listen:
		s.AcceptQueue = int(queue)
	case timer == timerTimeWait:
		s.Mini = true
		s.Left = time.Duration(min(when, maxWhen)) * (time.Second / userHz)
	}
	return ""
}

// maxWhen keeps Left from overflowing.
const maxWhen = uint64(1<<63-1) / uint64(time.Second/userHz)

// fields reads a line from its start. Once a field is malformed, bad stays set.
type fields struct {
	b   []byte
	bad bool
}

// byte skips c and reports whether everything up to here was well-formed.
func (f *fields) byte(c byte) bool {
	if f.bad || len(f.b) == 0 || f.b[0] != c {
		f.bad = true
		return false
	}
	f.b = f.b[1:]
	return true
}

// space is byte for a space.
func (f *fields) space() bool { return f.byte(' ') }

// decimal reads a number after any number of spaces (the kernel pads with %5u and the like).
func (f *fields) decimal() uint64 {
	for len(f.b) > 0 && f.b[0] == ' ' {
		f.b = f.b[1:]
	}
	var v uint64
	n := 0
	for n < len(f.b) && '0' <= f.b[n] && f.b[n] <= '9' {
		d := uint64(f.b[n] - '0')
		if v > (1<<64-1-d)/10 {
			f.bad = true
			return 0
		}
		v = v*10 + d
		n++
	}
	f.bad = f.bad || n == 0
	f.b = f.b[n:]
	return v
}

// hex reads 1 to most upper-case hexadecimal digits.
func (f *fields) hex(most int) uint64 {
	var v uint64
	n := 0
	for n < len(f.b) && n < most {
		d := f.b[n] - '0'
		if d > 9 {
			if d = f.b[n] - 'A'; d > 5 {
				break
			}
			d += 10
		}
		v = v<<4 | uint64(d)
		n++
	}
	f.bad = f.bad || n == 0
	f.b = f.b[n:]
	return v
}

// address reads %08X:%04X, or four words and the port. The kernel prints each word of an
// address, which is in network order in memory, as a number in host order, and the port
// after ntohs.
func (f *fields) address() netip.AddrPort {
	for len(f.b) > 0 && f.b[0] == ' ' {
		f.b = f.b[1:]
	}
	length := bytes.IndexByte(f.b, ':')
	if length != 8 && length != 32 {
		f.bad = true
		return netip.AddrPort{}
	}
	var raw [16]byte
	for word := 0; word < length/8; word++ {
		before := len(f.b)
		binary.NativeEndian.PutUint32(raw[word*4:], uint32(f.hex(8)))
		f.bad = f.bad || before-len(f.b) != 8
	}
	f.byte(':')
	before := len(f.b)
	port := uint16(f.hex(4))
	f.bad = f.bad || before-len(f.b) != 4
	if f.bad {
		return netip.AddrPort{}
	}
	if length == 8 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[:4])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(raw).Unmap(), port)
}
