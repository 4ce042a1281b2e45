package expose

import (
	"bytes"
	"os/exec"
	"testing"
)

// The linter of Prometheus has nothing to say. It is in Debian's package prometheus.
func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skipf("no linter: %v", err)
	}
	for kind, f := range allFigures(t) {
		cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		cmd.Stdin = bytes.NewReader(f.exposition(false))
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", kind, err, out)
		}
	}
}
