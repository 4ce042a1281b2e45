package lab

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"lastack/bench/quantity"
)

// Version is a program's version.
type Version struct{ Program, Version string }

// Absence is something not measured, and why.
type Absence struct{ Name, Reason string }

// distribution is Debian's program directories. They precede PATH, which may contain shims that start programs as children.
var distribution = []string{"/usr/sbin", "/usr/bin"}

// Find returns the path of the first of these programs that is installed; a name with a slash is a path. The error names the
// Debian package to install.
func Find(debian string, names ...string) (string, error) {
	for _, name := range names {
		if !strings.Contains(name, "/") {
			for _, dir := range distribution {
				if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
					return path, nil
				}
			}
		}
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed (Debian: apt-get install %s)", names[0], debian)
}

// Ask returns a program's output when asked for its version. Some programs exit with 1 then.
func Ask(ctx context.Context, path string, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, path, args...).CombinedOutput()
	return string(out)
}

// LastLine is the last line that is not blank, at most 200 bytes.
func LastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	return quantity.Escape(strings.ToValidUTF8(last[:min(len(last), 200)], ""))
}
