package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"lastack/bench/quantity"
	"lastack/bench/shard"
	"lastack/report"
)

// isMessage reports whether lastack wrote a line to standard error, or Slurm did between those of its tasks. No line of a record begins so.
func isMessage(line []byte) bool {
	for _, by := range [...]string{"lastack: ", "srun: ", "slurmstepd: "} {
		if bytes.HasPrefix(line, []byte(by)) {
			return true
		}
	}
	return report.IsProgress(line)
}

// engineLog is the log of an engine as records that follow each other. A log has both streams of its processes, line by line: messages are left out. An
// engine may label each line with the process that wrote it: labels are taken off, and the lines of each process put together, as those of several may
// alternate. What is neither of a record nor a message is refused, or passed over if partial is set.
type engineLog struct {
	lines   *bufio.Reader
	partial bool
	rest    []byte // of what was read and is to be passed on
	passed  int64  // how many bytes were passed on
	// begun are the records that began behind that which where was asked for last.
	begun []beginning
	asked beginning
	// stray are the lines that were passed over, if any.
	stray *strayLine
	// within a line, as which text goes. Then record is whose, if it has a label.
	within bool
	as     text
	record *labelled
	// inRecord: the lines without a label are in the midst of a record. decides: the end of this one says whether the next ones are. last is its last byte
	// so far that is not white space.
	inRecord, decides bool
	last              byte
	// open are the records that have begun, by label, and held is their bytes.
	open map[string]*labelled
	held int
	// n is the number of lines, and err why nothing more is read.
	n   int
	err error
}

// text is what a line has.
type text int

const (
	others text = iota // passed on as it is
	message
	ofRecord // with a label
)

// beginning is where a record began: before it are at bytes that were passed on.
type beginning struct {
	at    int64
	line  int
	label string
}

// strayLine is a line that is neither of a record nor a message.
type strayLine struct {
	line int
	text string
	// passed is how many such lines were passed over, of which this was the first.
	passed int
}

// Error implements error.
func (s *strayLine) Error() string {
	if s.passed > 0 {
		return fmt.Sprintf("%s passed over that %s neither of a record nor a message of lastack, from line %d on: %.60q",
			quantity.Count(int64(s.passed))+quantity.Plural(s.passed, " line was", " lines were"), quantity.Plural(s.passed, "is", "are"), s.line, s.text)
	}
	return fmt.Sprintf("line %d is neither of a record nor a message of lastack: %.60q", s.line, s.text)
}

// mostHeld is as many bytes as records with labels may have that have not ended.
const mostHeld = 1 << 30

func newEngineLog(r io.Reader, partial bool) *engineLog {
	return &engineLog{lines: bufio.NewReaderSize(r, 64<<10), partial: partial, open: map[string]*labelled{}}
}

// where says in which line the record began that has at bytes before it, and the label of its lines.
func (g *engineLog) where(at int64) beginning {
	for len(g.begun) > 0 && g.begun[0].at <= at {
		g.asked, g.begun = g.begun[0], g.begun[1:]
	}
	return g.asked
}

// Read implements io.Reader.
func (g *engineLog) Read(p []byte) (int, error) {
	for len(g.rest) == 0 {
		if g.err != nil {
			return 0, g.err
		}
		part, err := g.lines.ReadSlice('\n')
		if len(part) == 0 {
			if g.cutOff(); len(g.rest) > 0 {
				break
			}
			return 0, err
		}
		if !g.within {
			part = g.begin(part)
		}
		g.within = errors.Is(err, bufio.ErrBufferFull)
		switch g.as {
		case others:
			g.rest = part
			g.follow(part)
		case ofRecord:
			g.add(part)
		case message:
		}
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	g.passed += int64(n)
	return n, nil
}

// begin finds out what a line is by its beginning, and takes its label off.
func (g *engineLog) begin(line []byte) []byte {
	g.n++
	label, said := cutLabel(line)
	trimmed := bytes.TrimLeft(said, " \t\r\n")
	g.as, g.record = message, g.open[string(label)]
	switch {
	case isMessage(said):
	case len(label) == 0:
		g.unlabelled(said, trimmed)
	case g.record != nil && !beginsRecord(said):
		g.as = ofRecord
	case len(trimmed) == 0:
	case trimmed[0] == '{':
		if g.record != nil {
			g.pass(g.record) // its end is missing
		}
		if len(g.open) == shard.Most {
			g.err = fmt.Errorf("line %d: the log has the records of more than %d processes at a time, which no load has", g.n, shard.Most)
			break
		}
		g.as, g.record = ofRecord, &labelled{label: string(label), line: g.n}
		g.open[g.record.label] = g.record
	default:
		g.astray(line)
	}
	return said
}

// unlabelled finds out what a line without a label is. lastack begins and ends a record by a brace at the beginning of a line, and indents what is
// between; of other programs some do not.
func (g *engineLog) unlabelled(line, trimmed []byte) {
	g.as, g.decides = others, false
	switch {
	case len(trimmed) == 0:
	case line[0] == '{', trimmed[0] == '{' && !g.inRecord:
		g.inRecord, g.decides = true, true
		g.begun = append(g.begun, beginning{at: g.passed, line: g.n})
	case line[0] == '}' && g.inRecord:
		g.decides = true
		if next := bytes.IndexByte(line, '{'); next > 0 { // of records with nothing between
			g.begun = append(g.begun, beginning{at: g.passed + int64(next), line: g.n})
		}
	case g.inRecord && bytes.IndexByte([]byte(" \t]\""), line[0]) >= 0:
	case g.n == 1 && bytes.HasPrefix(line, []byte("\x1f\x8b")): // compressed by gzip, as the stream says
	default:
		g.as, g.inRecord = message, false
		g.astray(line)
	}
}

// follow follows a line without a label to its end: if that is no brace, the record goes on.
func (g *engineLog) follow(part []byte) {
	if !g.decides {
		return
	}
	if text := bytes.TrimRight(part, " \t\r\n"); len(text) > 0 {
		g.last = text[len(text)-1]
	}
	if !g.within {
		g.inRecord = g.last != '}'
	}
}

// astray refuses a line, or passes over it.
func (g *engineLog) astray(line []byte) {
	if g.stray == nil {
		g.stray = &strayLine{line: g.n, text: string(bytes.TrimSpace(line[:min(len(line), 200)]))}
	}
	if g.partial {
		g.stray.passed++
	} else {
		g.err = g.stray
	}
}

// beginsRecord reports whether a line with a label begins a record within another, whose end is then missing. An engine may break a long line at any
// brace.
func beginsRecord(said []byte) bool {
	return bytes.HasPrefix(said, []byte(`{"schema":`)) || len(said) > 0 && said[0] == '{' && len(bytes.TrimSpace(said)) == 1
}

// add adds a part of a line to its record, and passes that on when it has ended. Without the ends of its lines: an engine may also break a long one
// anywhere, and JSON needs none.
func (g *engineLog) add(part []byte) {
	r, size := g.record, len(g.record.text)
	r.text = append(r.text, bytes.TrimRight(part, "\r\n")...)
	r.scan(r.text[size:])
	g.held += len(r.text) - size
	switch {
	case g.held > mostHeld:
		g.as = others // of the rest of the line: it is refused
		g.pass(r)
	case r.depth <= 0 && !r.inString && !g.within:
		g.pass(r)
	}
}

func (g *engineLog) pass(r *labelled) {
	delete(g.open, r.label)
	g.held -= len(r.text)
	g.begun = append(g.begun, beginning{g.passed + int64(len(g.rest)), r.line, r.label})
	if r.text = append(r.text, '\n'); len(g.rest) == 0 {
		g.rest = r.text
	} else { // behind one that was cut off
		g.rest = append(g.rest, r.text...)
	}
}

// cutOff passes on the records that the log's end cuts off.
func (g *engineLog) cutOff() {
	for _, label := range slices.Sorted(maps.Keys(g.open)) {
		g.pass(g.open[label])
	}
}

// labelled is the text of a record whose lines have a label. It knows JSON as far as it takes to find the end.
type labelled struct {
	label    string
	line     int // in which it began
	text     []byte
	depth    int
	inString bool
	escaped  bool
}

func (r *labelled) scan(part []byte) {
	for _, c := range part {
		switch {
		case r.escaped:
			r.escaped = false
		case r.inString:
			r.escaped, r.inString = c == '\\', c != '"'
		case c == '"':
			r.inString = true
		case c == '{' || c == '[':
			r.depth++
		case c == '}' || c == ']':
			r.depth--
		}
	}
}

// cutLabel takes off what an engine puts before each line, empty if it puts nothing there:
//
//	3:                       srun -l
//	[pod/NAME/CONTAINER]     kubectl logs --prefix
//
// No line of JSON begins so.
func cutLabel(line []byte) (label, rest []byte) {
	const longest = 400 // names of Kubernetes have at most 253 characters, and 63
	head := bytes.TrimLeft(line[:min(len(line), longest)], " ")
	before, _, found := bytes.Cut(head, []byte(" "))
	switch name, isPod := bytes.CutPrefix(before, []byte("[pod/")); {
	case !found:
	case isPod && bytes.HasSuffix(name, []byte("]")), bytes.HasSuffix(before, []byte(":")) && len(before) > 1 && len(bytes.TrimLeft(before, "0123456789")) == 1:
		return before, bytes.TrimLeft(line, " ")[len(before)+1:]
	}
	return nil, line
}
