package document

// Picture is a drawing together with its numbers. Printers that cannot draw leave it out: all it shows is in tables and charts too.
type Picture struct {
	// ID is unique in the document.
	ID, Title string
	// Desc says in words what the drawing shows.
	Desc string
	Form Form
	X, Y Axis
	// At has the places of all curves' points on the x axis. With Bars, Ranges and Heat, Names has those instead, and Remarks what stands beside each
	// name of a range.
	At      []float64
	Names   []string
	Remarks []Remark
	// Apart is set for Bars of different things, of which none is another's part or sum.
	Apart  bool
	Curves []Curve
	Limits []Limit
	// Events happened at places of the x axis.
	Events []Event
	// Phases are those that follow the first.
	Phases []Phase
}

// Remark is what stands beside a name. A main one says something that is more than noise.
type Remark struct {
	Words string
	Tone  Tone
	Main  bool
}

// Phase begins at a place of the x axis.
type Phase struct {
	At   float64
	Name string
}

// Form says how a picture is drawn.
type Form uint8

const (
	// Lines are drawn through the points.
	Lines Form = iota
	// Areas lie on top of each other: the curves add up.
	Areas
	// Columns are that too, one at each place, which is where its interval starts.
	Columns
	// Bars lie one below the other, each from 0 to its whole.
	Bars
	// Strip has no curves: its events stand one below the other, each at its place, far ones closer together.
	Strip
	// Ranges lie one below the other: from the point of the second curve to that of the third, with that of the first in between. An end that is
	// a gap is open.
	Ranges
	// Heat has a field for each name and curve, which are its rows and columns, coloured by its point.
	Heat
)

// Axis is an axis of a picture.
type Axis struct {
	Unit Unit
	// Name is what a table calls it; Log is set for a logarithmic axis.
	Name string
	Log  bool
}

// Unit is the unit of an axis or a curve.
type Unit uint8

const (
	// Things are counted.
	Things Unit = iota
	// PerSecond is a rate. A curve of Things is drawn on such an axis as its growth in the interval that ends at each point.
	PerSecond
	// Seconds is a time.
	Seconds
	// Microseconds is a time too.
	Microseconds
	// Percentile is from 0 to 100. If logarithmic, the axis spreads out its last parts: 90, 99, 99.9.
	Percentile
	// Octets are bytes.
	Octets
	// Part is that of a whole, from 0 to 1.
	Part
	// Relative is the part by which something grew: -0.1 is 10 % less. If logarithmic, half and double are equally far from 0.
	Relative
)

// Curve is a quantity in a picture.
type Curve struct {
	Name string
	Unit Unit
	// Hue is the same for a quantity in all pictures, from 1; 0 is the next one free.
	Hue int
	// Goal is set for what the other curves should reach, which is drawn like a limit.
	Goal bool
	// Points is as long as At or Names. NaN is a gap.
	Points []float64
}

// Limit is a line that the curves should not cross, or should reach.
type Limit struct {
	Name string
	At   float64
}

func (*Picture) block() {}
