package record

// Event reports the progress of a run. Exactly one field is set. A stream of events has one line of JSON per event.
type Event struct {
	Needs    *Needs    `json:"needs,omitempty"`
	Phase    *Phase    `json:"phase,omitempty"`
	Interval *Interval `json:"interval,omitempty"`
	Try      *DrainTry `json:"try,omitempty"` // of a drain, when it has ended
	Said     *Said     `json:"said,omitempty"`
}

// Phase says what a run begins to do.
type Phase struct {
	Try  int    `json:"try,omitempty"` // of a drain, from 1
	Text string `json:"text"`
}

// Said is the output of a program that was started for the run and ended too early.
type Said struct {
	Command []string `json:"command"`
	Text    string   `json:"text"`
}
