package setup

import (
	"encoding/json"
	"fmt"

	"lastack/bench/record"
	"lastack/loadgen"
)

// recordPlan converts a plan for the record by way of JSON, as both types have the same keys.
func recordPlan(p *loadgen.Plan) (r record.Plan, err error) {
	b, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return r, fmt.Errorf("encode the plan: %w", err)
	}
	return r, nil
}
