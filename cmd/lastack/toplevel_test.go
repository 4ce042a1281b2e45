package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestTopLevel keeps what a build leaves, and what belongs deeper, out of the root of the repository.
func TestTopLevel(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "git", "ls-tree", "--name-only", "HEAD")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("not in a git repository with a commit: %v", err)
	}
	want := strings.Fields("LICENSE Makefile README.md bench cmd go.mod go.sum loadgen report server sockstate")
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		if !strings.HasPrefix(name, ".") && !slices.Contains(want, name) {
			t.Errorf("%s is at the top level: it belongs below, or not into the repository", name)
		}
	}
}
