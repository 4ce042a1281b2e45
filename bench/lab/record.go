package lab

import (
	"os"

	"lastack/bench/record"
)

// ReadRecord reads a run record.
func ReadRecord(path string) (*record.Run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return record.Read(f)
}
