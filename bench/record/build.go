package record

// Build says which program made a record, beside its Version.
type Build struct {
	// Commit is the source's, if it is known; Changed says that the source had changes that were not committed.
	Commit  string `json:"commit,omitempty"`
	Changed bool   `json:"changed,omitempty"`
	// Go is the release of Go; System is like linux/amd64.
	Go     string `json:"go"`
	System string `json:"system"`
}
