package expose

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// promtool runs the tool of Prometheus, which is in Debian's package prometheus, and returns what it prints.
func promtool(t *testing.T, stdin []byte, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skipf("no promtool: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// The linter of Prometheus has nothing to say.
func TestPromtool(t *testing.T) {
	t.Parallel()
	for kind, f := range allFigures(t) {
		if out, err := promtool(t, f.exposition(false), "check", "metrics"); err != nil || out != "" {
			t.Errorf("%s: %v\n%s", kind, err, out)
		}
	}
}

// Prometheus can parse all that the dashboard asks, with Grafana's variables replaced.
func TestDashboardQueries(t *testing.T) {
	t.Parallel()
	board := readDashboard(t)
	var queries []string
	for i := range board.Annotations.List {
		queries = append(queries, board.Annotations.List[i].Expr)
	}
	for i := range board.Panels {
		for _, q := range board.Panels[i].Targets {
			queries = append(queries, q.Expr)
		}
	}
	variables := strings.NewReplacer("$__rate_interval", "1m", "$job", ".*", "$instance", ".*")
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for i, q := range queries {
		rules += fmt.Sprintf("  - {record: q%d, expr: %q}\n", i, variables.Replace(q))
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := promtool(t, nil, "check", "rules", file); err != nil || !strings.Contains(out, fmt.Sprintf("%d rules found", len(queries))) {
		t.Errorf("%v\n%s", err, out)
	}
}
