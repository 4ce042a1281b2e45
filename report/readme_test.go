package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What README shows of a page is what the program prints today of a recorded run: each sample has the lines of a golden file, in its order.
// "..." leaves lines out.
func TestReadmeSamples(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	pages := make(map[string]string)
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pages[name] = string(b)
	}
	samples := 0
	for _, block := range strings.Split(string(readme), "```")[1:] {
		command, shown, isSample := strings.Cut(strings.TrimPrefix(block, "\n"), "\n...\n")
		if !isSample || !strings.HasPrefix(command, "$ lastack ") {
			continue
		}
		samples++
		nearest, missing := "", shown
		for name, page := range pages {
			if rest := notShown(page, shown); len(rest) < len(missing) {
				nearest, missing = name, rest
			}
		}
		if missing != "" {
			t.Errorf("%s\nno golden file has these lines in this order; %s comes nearest, without those from here on:\n%s", command, nearest, missing)
		}
	}
	if samples < 6 {
		t.Errorf("%d samples: want one of each command that measures", samples)
	}
}

// notShown is the rest of a sample, from the first line on that the page does not have where it should.
func notShown(page, sample string) string {
	lines, skip := strings.Split(page, "\n"), true
	for sample != "" {
		line, rest, _ := strings.Cut(sample, "\n")
		if line == "..." {
			skip, sample = true, rest
			continue
		}
		for skip && len(lines) > 0 && lines[0] != line {
			lines = lines[1:]
		}
		if len(lines) == 0 || lines[0] != line {
			return sample
		}
		lines, skip, sample = lines[1:], false, rest
	}
	return ""
}
