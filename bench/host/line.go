package host

// Status says what a finding means for a load.
type Status string

// OK needs no action. Degraded works with limits or at a cost. Blocked means that a
// feature of lastack does not work here.
const (
	OK       Status = "ok"
	Degraded Status = "degraded"
	Blocked  Status = "blocked"
)

// Line is one finding.
type Line struct {
	Group   string `json:"group"`
	Subject string `json:"subject"`
	Status  Status `json:"status"`
	// Detail says what was found and what it allows, with numbers.
	Detail string `json:"detail"`
	// Remedy says what to do; empty when Status is OK.
	Remedy string `json:"remedy,omitempty"`
}
