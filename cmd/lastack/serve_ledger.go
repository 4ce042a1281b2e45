package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// openLedger tells before the server listens whether its ledger could be written, and leaves no trace. It returns nil
// where none was asked for.
func openLedger(path string, given bool) (*destination, error) {
	if !given {
		return nil, nil
	}
	if path == "" {
		return nil, usagef("--ledger \"\": want a file to write the ledger to")
	}
	return openDestination("ledger", path)
}

// writeLedger writes the counts, if there is a place for them. When ctx is over nobody is waited for who reads them.
func writeLedger(ctx context.Context, d *destination, counts map[string]int64, stderr io.Writer) error {
	if d == nil {
		return nil
	}
	defer d.close()
	b, err := json.MarshalIndent(counts, "", "  ")
	if err == nil {
		err = d.write(ctx, append(b, '\n'), func(s string) { fmt.Fprintf(stderr, "lastack: %s\n", s) })
	}
	if err != nil {
		return fmt.Errorf("the ledger could not be written to %s: %w", d.path, err)
	}
	return nil
}
