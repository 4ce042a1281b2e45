package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
)

// Trial is a list of sysctls to try in a new sandbox, in which nothing else happens.
type Trial struct {
	// Base are set one after the other, and stay. One that has its value already is not written.
	Base []Sysctl `json:"base,omitempty"`
	// Each are set one at a time, on top of Base, and then undone.
	Each []Sysctl `json:"each,omitempty"`
}

// Tried is the result of a Trial.
type Tried struct {
	// Kept says for each of Base that the new namespace has its value already.
	Kept []bool
	// Base and Each say why one was refused; nil if it was accepted.
	Base, Each []error
}

// tryJob is a job that every program with cells has.
const tryJob = "try-sysctls"

// tried is Tried in the pipe.
type tried struct {
	Kept []bool     `json:"kept,omitempty"`
	Base []*failure `json:"base,omitempty"`
	Each []*failure `json:"each,omitempty"`
}

// Try tries sysctls in a new sandbox of the spec. Its errors are those of Start and of Cell.Wait.
func Try(ctx context.Context, spec Spec, t Trial) (Tried, error) {
	c, err := Start(ctx, spec, Job{Name: tryJob, Input: t})
	if err != nil {
		return Tried{}, err
	}
	b, err := c.Wait()
	if err != nil {
		return Tried{}, err
	}
	var got tried
	if err := json.Unmarshal(b, &got); err != nil {
		return Tried{}, fmt.Errorf("what the sandbox said of its sysctls cannot be read: %w", err)
	}
	if len(got.Kept) != len(t.Base) || len(got.Base) != len(t.Base) || len(got.Each) != len(t.Each) {
		return Tried{}, fmt.Errorf("the sandbox answered for %d and %d of %d and %d sysctls", len(got.Base), len(got.Each), len(t.Base), len(t.Each))
	}
	rebuild := func(list []*failure) []error {
		errs := make([]error, len(list))
		for i, f := range list {
			if f != nil {
				errs[i] = explain(f.error(c.child.mode), c.child.mode)
			}
		}
		return errs
	}
	return Tried{Kept: got.Kept, Base: rebuild(got.Base), Each: rebuild(got.Each)}, nil
}
