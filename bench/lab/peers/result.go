package peers

import "errors"

// errNone is a run that completed no connection: nothing can be said of it.
var errNone = errors.New("no connection was completed")

// checked returns r, or why it is nothing that could stand in a table.
func (r Result) checked(o *output) (Result, error) {
	if o.err != nil {
		return Result{}, o.err
	}
	if r.Connections <= 0 || r.PerSecond <= 0 {
		return Result{}, &RunError{Command: o.tool, Err: errNone}
	}
	return r, nil
}
