package bench

import (
	"encoding/json"
	"fmt"

	"golang.org/x/sys/unix"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate/sockio"
)

// recordPlan converts a plan: the record's type has the same keys, so that JSON does it.
func recordPlan(p *loadgen.Plan) (record.Plan, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return record.Plan{}, fmt.Errorf("encode the plan: %w", err)
	}
	var r record.Plan
	if err := json.Unmarshal(b, &r); err != nil {
		return record.Plan{}, fmt.Errorf("encode the plan: %w", err)
	}
	return r, nil
}

// errnoName is "ECONNRESET", or a number.
func errnoName(e sockio.Errno) string {
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", int(e))
}
