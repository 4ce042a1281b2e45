// Package document holds a report before it is printed: sections of tables, charts, sentences and findings, whose numbers are
// values. A printer (text, and any other) lays it out without knowing what a run record is.
package document

// Document is a report.
type Document struct {
	// Title names the program, its version and the kind of run; Asked is what the run was asked to do.
	Title, Asked string
	Sections     []Section
	// Warnings are doubts about what the sections say.
	Warnings []Warning
}

// Level says where something is shown.
type Level uint8

const (
	// Detail is shown only where everything is.
	Detail Level = iota
	// First is on the first page too.
	First
	// Data is shown nowhere, but is in a file of all numbers.
	Data
)

// Tone says whether something is good or bad news, or neither.
type Tone int8

// The tones.
const (
	Bad  Tone = -1
	Good Tone = 1
)

// Section is one subject. A page has its title and its lead, and those of its blocks that the page's level asks for.
type Section struct {
	// ID is what links and scripts call it: "latency".
	ID string
	// Title is empty for a section that goes on where the one before ended.
	Title string
	// Lead says the most important in one sentence.
	Lead  string
	Tone  Tone
	Level Level
	// Blocks are Tables, Facts, Lists, Notes, Charts, Quotes and Distributions.
	Blocks []Block
}

// Warning is a doubt.
type Warning struct {
	// Section is the ID of the section that it concerns, empty if that is the run as a whole.
	Section string
	Text    string
	// Level is First if the numbers mean something else with it than without.
	Level Level
}

// Block is a part of a section.
type Block interface{ block() }

// Facts are short texts, each with a name.
type Facts struct {
	Level Level
	Facts []Fact
}

// Fact is a text with a name; Level is looked at only where that of its Facts is First.
type Fact struct {
	Level      Level
	Name, Text string
}

// List is a number of findings under one name: reasons, advice.
type List struct {
	Level    Level
	Name     string
	Findings []Finding
}

// Finding is a statement about the run. Code and Args say it to programs, where the record has them; Sentence says it to people.
type Finding struct {
	Code     string
	Args     map[string]any
	Sentence string
}

// Note is a sentence; a doubt says that numbers of its section cannot be as they should.
type Note struct {
	Level Level
	Tone  Tone
	Doubt bool
	Text  string
}

// Table has a name in its first column. Cells may be nil: there is nothing to say.
type Table struct {
	Level   Level
	Columns []Column
	Rows    []Row
}

// Column is one of a table's.
type Column struct {
	Name  string
	Level Level
	// Words is set for texts that may be long, which are wrapped.
	Words bool
}

// Row is one of a table's. Indent says under which row before it belongs.
type Row struct {
	Level  Level
	Indent int
	Tone   Tone
	Cells  []Value
}

// Chart shows series over one time.
type Chart struct {
	Level Level
	// Step is the time that a point stands for if all stand for the same, in seconds; 0 if they do not.
	Step float64
	// Times are the points in time of all series, in seconds: the ends of their intervals, or their begins with a Step.
	Times []float64
	// Phases name the phase of each point; empty if there is one only.
	Phases []string
	// Zero says what the time 0 is, where some points are before it.
	Zero   string
	Events []Event
	Series []Series
}

// Event is what happened at a time, in seconds.
type Event struct {
	Level Level
	At    float64
	What  string
}

// Series is a quantity over the time of its chart.
type Series struct {
	Level Level
	// Side is whose it is: client, server, or empty.
	Side, Name string
	Kind       SeriesKind
	Points     []float64
	// Limit is what the quantity is held against, 0 if nothing.
	Limit float64
}

// SeriesKind says what the points of a series are.
type SeriesKind uint8

// The kinds of series.
const (
	// Gauge is a number at a time.
	Gauge SeriesKind = iota
	// Growth is a number of things in the time of a point: they add up.
	Growth
	// Speed is a rate.
	Speed
	// Duration is a time in microseconds.
	Duration
)

// Quote is what somebody else wrote.
type Quote struct {
	Level Level
	Who   string
	Lines []string
}

// Distribution is a histogram, encoded: base64 of HdrHistogram V2, in nanoseconds.
type Distribution struct {
	Name    string
	Encoded string
}

func (Facts) block()        {}
func (List) block()         {}
func (Note) block()         {}
func (*Table) block()       {}
func (*Chart) block()       {}
func (Quote) block()        {}
func (Distribution) block() {}
