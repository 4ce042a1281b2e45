package record

// ThresholdResult is what one threshold came to.
type ThresholdResult struct {
	// Expr is the threshold as it was given: "connect.p99<5ms".
	Expr   string `json:"expr"`
	Metric string `json:"metric"`
	// Got is the value found, in the metric's unit: microseconds for latencies, per second
	// for rates, a fraction for shares, a number for counts. 0 where the metric is absent.
	Got float64 `json:"got"`
	// GotText is Got with its unit, empty where the metric is absent.
	GotText string `json:"got_text,omitempty"`
	// Want is the bound with its operator and unit: "<5ms".
	Want string `json:"want"`
	OK   bool   `json:"ok"`
	// Reason says why a threshold could not be answered; such a threshold is missed.
	Reason string `json:"reason,omitempty"`
}
