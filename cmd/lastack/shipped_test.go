package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// shipped is the program as it is shipped, but for what tells of its crashes: a test with cgo is linked dynamically, and dies of
// faults before its first own instruction.
func shipped(t *testing.T) string {
	t.Helper()
	path, err := buildShipped()
	if err != nil {
		t.Skipf("the program cannot be built here: %v", err)
	}
	return path
}

// shippedDir is where buildShipped builds, empty if it did not; unship removes it.
var shippedDir string

func unship() { _ = os.RemoveAll(shippedDir) } // in the temporary directory

var buildShipped = sync.OnceValues(func() (path string, err error) {
	if shippedDir, err = os.MkdirTemp("", "lastack-shipped"); err != nil {
		return "", err
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(here, "crashes.go"): filepath.Join(here, "testdata", "torture", "crashes.go"),
	}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(shippedDir, "overlay.json"), overlay, 0o600); err != nil {
		return "", err
	}
	path = filepath.Join(shippedDir, "lastack")
	build := exec.Command("go", "build", "-overlay", filepath.Join(shippedDir, "overlay.json"), "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})
