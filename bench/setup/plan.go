package setup

import (
	"encoding/json"
	"fmt"

	"lastack/bench/record"
	"lastack/loadgen"
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
