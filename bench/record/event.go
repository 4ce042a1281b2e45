package record

// Event tells of a run under way. Exactly one field is set, so that a stream of events is a line of JSON each.
type Event struct {
	Needs    *Needs    `json:"needs,omitempty"`
	Phase    *Phase    `json:"phase,omitempty"`
	Interval *Interval `json:"interval,omitempty"`
	Said     *Said     `json:"said,omitempty"`
}

// Phase is what a run does from now on.
type Phase struct {
	Try  int    `json:"try,omitempty"` // of a drain, from 1
	Text string `json:"text"`
}

// Said is what a program wrote that was started for the run and ended too early.
type Said struct {
	Command []string `json:"command"`
	Text    string   `json:"text"`
}
