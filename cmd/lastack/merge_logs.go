package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

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
// alternate.
type engineLog struct {
	lines *bufio.Reader
	rest  []byte // of what was read and is to be passed on
	// within a line, as which text goes. Then record is whose, if it has a label.
	within bool
	as     text
	record *labelled
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

// mostHeld is as many bytes as records with labels may have that have not ended.
const mostHeld = 1 << 30

func newEngineLog(r io.Reader) *engineLog {
	return &engineLog{lines: bufio.NewReaderSize(r, 64<<10), open: map[string]*labelled{}}
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
		case ofRecord:
			g.add(part)
		case message:
		}
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// begin finds out what a line is by its beginning, and takes its label off. What has a label and is neither of a record nor a message is refused.
func (g *engineLog) begin(line []byte) []byte {
	g.n++
	label, said := cutLabel(line)
	trimmed := bytes.TrimLeft(said, " \t\r\n")
	g.as, g.record = message, g.open[string(label)]
	switch {
	case isMessage(said):
	case len(label) == 0:
		g.as = others
	case g.record != nil:
		g.as = ofRecord
	case len(trimmed) == 0:
	case trimmed[0] == '{':
		g.as, g.record = ofRecord, &labelled{label: string(label)}
		g.open[g.record.label] = g.record
	default:
		g.err = fmt.Errorf("line %d of the log is neither of a record nor a message of lastack: %.60q", g.n, bytes.TrimSpace(line))
	}
	return said
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
	g.rest = append(r.text, '\n')
}

// cutOff passes on a record that the log's end cuts off.
func (g *engineLog) cutOff() {
	for _, label := range slices.Sorted(maps.Keys(g.open)) {
		g.pass(g.open[label])
		return
	}
}

// labelled is the text of a record whose lines have a label. It knows JSON as far as it takes to find the end.
type labelled struct {
	label    string
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
