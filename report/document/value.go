package document

// Value is what a cell holds: a Text, a Count, a Share and so on, apart from how it is printed.
type Value interface{ value() }

type (
	// Text is words.
	Text string
	// Count is a number of things.
	Count int64
	// Bytes is an amount of memory.
	Bytes int64
	// Rate is a number a second.
	Rate float64
	// Micros is a time in microseconds.
	Micros float64
	// Since is a time in seconds from the table's event.
	Since float64
	// Share is a part of a whole, from 0 to 1.
	Share float64
	// Change is the part by which something grew: -0.1 is 10 % less.
	Change float64
	// Points is the difference of two shares: from a share of 0.01 to one of 0.03 it is 0.02, 2 percentage points.
	Points float64
	// Longer is the difference of two times in microseconds: how much longer the second one is.
	Longer float64
	// Chance is a probability.
	Chance float64
	// Usage is a part of a limit, which it may exceed.
	Usage float64
	// Number is one without a unit.
	Number float64
	// Range is a range of counts.
	Range struct{ Min, Max int64 }
	// Absent says why there is no value.
	Absent string
)

func (Text) value()   {}
func (Count) value()  {}
func (Bytes) value()  {}
func (Rate) value()   {}
func (Micros) value() {}
func (Since) value()  {}
func (Share) value()  {}
func (Change) value() {}
func (Points) value() {}
func (Longer) value() {}
func (Chance) value() {}
func (Usage) value()  {}
func (Number) value() {}
func (Range) value()  {}
func (Absent) value() {}
