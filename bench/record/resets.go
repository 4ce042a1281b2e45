package record

import "lastack/sockstate"

// UnexpectedResets is the part of rst_received that counts as failed: what the other failures leave.
func (r *Result) UnexpectedResets() int64 {
	failed := r.Connections.Failed
	for _, o := range sockstate.OutcomeNames(sockstate.ClassFailure) {
		failed -= r.Outcomes[o]
	}
	return max(0, min(failed, r.Outcomes[sockstate.OutcomeRSTReceived.String()]))
}
