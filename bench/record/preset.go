package record

// SweepPreset is a question that a sweep puts to this kernel, and what came of it. Package preset computes it from the runs.
type SweepPreset struct {
	Name     string `json:"name"`
	Question string `json:"question"`
	// Answer is a sentence, Result one of the Preset constants.
	Answer string `json:"answer"`
	Result string `json:"result"`
	// Predictions are what is known of the kernel, beside what it did.
	Predictions []SweepPrediction `json:"predictions"`
}

// SweepPrediction is what a metric of a cell should be in every run, and what it was.
type SweepPrediction struct {
	Cell   int    `json:"cell"`
	Metric string `json:"metric"`
	Unit   string `json:"unit"`
	// Lo and Hi bound the metric. Hi is nil if nothing does.
	Lo float64  `json:"lo"`
	Hi *float64 `json:"hi,omitempty"`
	// Because says which code of the kernel makes it so.
	Because string `json:"because"`
	// N runs have the metric, from Min to Max.
	N   int     `json:"n"`
	Min float64 `json:"min"`
	Max float64 `json:"max"`
	// Result is one of the Preset constants.
	Result string `json:"result"`
}

// The results of a preset, and of each of its predictions.
const (
	// PresetAsPredicted: every run agrees.
	PresetAsPredicted = "as_predicted"
	// PresetOtherwise: some run disagrees.
	PresetOtherwise = "otherwise"
	// PresetBusy: some run disagrees, but other programs had the CPUs: its connections began late.
	PresetBusy = "busy"
	// PresetUnanswered: there is no run that has the metric.
	PresetUnanswered = "unanswered"
)
