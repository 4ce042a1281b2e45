package main

import "errors"

// errNone is a run that completed no connection.
var errNone = errors.New("no connection was completed")

// checked returns r, or why it cannot go into a table.
func (r result) checked(o *output) (result, error) {
	if o.err != nil {
		return result{}, o.err
	}
	if r.Connections <= 0 || r.PerSecond <= 0 {
		return result{}, &runError{Command: o.tool, Err: errNone}
	}
	return r, nil
}
