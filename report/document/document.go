// Package document holds a report before it is printed: sections of tables, charts, sentences and findings. Numbers are still
// values. A printer lays it out without knowing about run records.
package document

import (
	"strings"
	"time"
)

// Document is a report.
type Document struct {
	// Name tells it from other documents on the same page: the file that it is of.
	Name string
	// Start is the time 0 of charts and distributions, zero if unknown.
	Start time.Time
	// Title names the program, its version and the kind of run; Asked is what the run was asked to do.
	Title, Asked string
	Sections     []Section
	// Table is the one that is printed where only one is, and nobody says which; empty is the timeline.
	Table string
	// Long is set if its first page may be longer than a page: what it shows is one whole.
	Long bool
	// Warnings lists doubts about the contents of the sections.
	Warnings []Warning
}

// Level says where something is shown.
type Level uint8

const (
	// Detail is shown only in the whole report.
	Detail Level = iota
	// First is on the first page too.
	First
	// Data is not shown, but is part of a file with all numbers.
	Data
)

// Tone says whether something is good or bad news, or neither.
type Tone int8

// The tones.
const (
	Bad  Tone = -1
	Good Tone = 1
)

// Section is one subject. A page shows its title, its lead, and the blocks of the page's level.
type Section struct {
	// ID is what links and scripts call it: "latency".
	ID string
	// Title is empty for a section that continues the one before.
	Title string
	// Lead says the most important in one sentence.
	Lead  string
	Tone  Tone
	Level Level
	// Command is what to paste into a shell to do what the section advises, empty if that is not one command. A page of text has none.
	Command string
	// Blocks are Facts, Lists, Notes, Tables, Pictures, Charts, Quotes and Distributions.
	Blocks []Block
}

// Heading is the title of a section where a heading looks different from text, so that it needs no capitals. The name of a metric keeps its
// case.
func Heading(title string) string {
	if strings.ContainsAny(title, "_.") || title == "CPU" || strings.HasPrefix(title, "TCP") {
		if rest, ok := strings.CutPrefix(title, "TCP "); ok {
			return "TCP " + strings.ToLower(rest)
		}
		return title
	}
	if title == "" {
		return ""
	}
	return title[:1] + strings.ToLower(title[1:])
}

// Warning is a doubt.
type Warning struct {
	// Section is the ID of the section that it concerns, empty if that is the run as a whole.
	Section string
	// Text begins with the subject. Within, if set, is said instead below the title of the section, which names it.
	Text, Within string
	// Level is First if the warning changes what the numbers mean.
	Level Level
}

// Block is a part of a section.
type Block interface{ block() }

// Fact is a short text with a name. Brief is said instead where a page has too little room for Text. A command is one for a shell.
type Fact struct {
	Level             Level
	Name, Text, Brief string
	Command           bool
}

// List is a number of findings under one name: reasons, advice.
type List struct {
	Level    Level
	Name     string
	Findings []Finding
}

// Finding is a statement about the run: Code and Args for programs, if the record has them, and Sentence for people. Command is what to
// paste into a shell to follow it, if that is known.
type Finding struct {
	Code     string
	Args     map[string]any
	Sentence string
	Command  string
}

// Note is a sentence. A doubt says that numbers of its section contradict each other.
type Note struct {
	Level Level
	Tone  Tone
	Doubt bool
	Text  string
}

// Table has names in its first column. A cell may be nil.
type Table struct {
	// ID tells it from other tables of its section, empty for the main one.
	ID      string
	Level   Level
	Columns []Column
	Rows    []Row
}

// Column is a table's column.
type Column struct {
	Name string
	// Key is what a file calls it, empty for the Name. Without both, its head says the unit of its numbers.
	Key   string
	Level Level
	// Words is set for texts that may be long, which are wrapped.
	Words bool
}

// Numeric reports whether a column has no words, so that its cells are to line up at the right.
func (t *Table) Numeric(column int) bool {
	if column == 0 || t.Columns[column].Words {
		return false
	}
	for i := range t.Rows {
		if column < len(t.Rows[i].Cells) {
			if _, words := t.Rows[i].Cells[column].(Text); words {
				return false
			}
		}
	}
	return true
}

// Row is a table's row. Indent says which earlier row it belongs to. A main one stays on a page that has too little room for all.
type Row struct {
	Level  Level
	Main   bool
	Indent int
	Tone   Tone
	Cells  []Value
}

// Chart shows series over one time.
type Chart struct {
	Level Level
	// Each and Number tell charts of one kind apart, which are one table in a file: try 2. They are empty if there is only this one.
	Each   string
	Number int
	// Step is the length in seconds of the interval of each point, 0 if they differ.
	Step float64
	// Times are the times of all series' points in seconds: the ends of their intervals, or their starts if there is a Step.
	Times []float64
	// Phases name the phase of each point; empty if there is one only.
	Phases []string
	// Zero says what time 0 is, if there are points before it.
	Zero   string
	Events []Event
	Series []Series
}

// Event is what happened at a time, in seconds. A main one stays on a page that has too little room for all.
type Event struct {
	Level Level
	Main  bool
	At    float64
	What  string
}

// Series is a quantity over the time of its chart.
type Series struct {
	Level Level
	// Side is client, server, or empty.
	Side, Name string
	Kind       SeriesKind
	// Points is as long as the chart's Times. NaN is a gap.
	Points []float64
	// Limit is the quantity's limit, 0 if none.
	Limit float64
}

// SeriesKind says what the points of a series are.
type SeriesKind uint8

// The kinds of series.
const (
	// Gauge is a number at a time.
	Gauge SeriesKind = iota
	// Growth is a count within the interval of a point, so that points add up.
	Growth
	// Speed is a rate.
	Speed
	// Duration is a time in microseconds.
	Duration
)

// Quote is another program's output, or, if Who is empty, a text to copy.
type Quote struct {
	Level Level
	Who   string
	Lines []string
}

// Distribution is the histogram of a latency. Intervals are nil, or add up to it.
type Distribution struct {
	Name string
	Histogram
	Intervals []Histogram
}

// Histogram is a histogram of nanoseconds.
type Histogram struct {
	// From and To say when its values were recorded, in seconds.
	From, To float64
	// Max is its largest value, in nanoseconds.
	Max float64
	// Encoded is base64 of HdrHistogram V2.
	Encoded string
}

func (Fact) block()         {}
func (List) block()         {}
func (Note) block()         {}
func (*Table) block()       {}
func (*Chart) block()       {}
func (Quote) block()        {}
func (Distribution) block() {}
