package host

import "fmt"

// Status says what a finding means for a load.
type Status uint8

// OK needs nothing; Degraded works, with less or at a cost; Blocked is a function of
// lastack that does not work here.
const (
	OK Status = iota
	Degraded
	Blocked
)

var statusNames = [...]string{"ok", "degraded", "blocked"}

func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// MarshalText implements encoding.TextMarshaler with String.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler for what String prints.
func (s *Status) UnmarshalText(b []byte) error {
	for i, n := range statusNames {
		if n == string(b) {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("unknown status %q", b)
}

// The groups of lines.
const (
	GroupLimits   = "limits"
	GroupNetwork  = "network"
	GroupFeatures = "features"
)

// Line is one finding.
type Line struct {
	Group   string `json:"group"`
	Subject string `json:"subject"`
	Status  Status `json:"status"`
	// Detail says what is there and what it bears, with numbers.
	Detail string `json:"detail"`
	// Remedy says what to do; empty when Status is OK.
	Remedy string `json:"remedy,omitempty"`
}
