package setup

import (
	"encoding/json"
	"fmt"

	"lastack/bench/record"
	"lastack/loadgen"
)

// recordPlan converts a plan for the record by way of JSON, as both types have the same keys.
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
