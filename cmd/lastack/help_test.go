package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/sockstate/socktest/golden"
)

// helpPages lists the arguments of help for every page that it has: of commands, of topics, and of all that a topic can explain.
func helpPages() [][]string {
	pages := [][]string{{}, {"help"}}
	for _, c := range commands() {
		pages = append(pages, []string{c.Name()})
	}
	for _, t := range topics() {
		pages = append(pages, []string{t.name}, []string{t.name, "all"})
	}
	return pages
}

// What a user reads and copies fits a terminal of 80 columns, and names what a flag takes rather than a type of Go's.
func TestHelpWidth(t *testing.T) {
	for _, page := range helpPages() {
		command := strings.Join(page, " ")
		var stdout, stderr bytes.Buffer
		if code := Main(append([]string{"help"}, page...), strings.NewReader(""), &stdout, &stderr); code != exitOK || stderr.Len() > 0 {
			t.Fatalf("%s: exit code %d, %s", command, code, &stderr)
		}
		inFlags := false
		for line := range strings.Lines(stdout.String()) {
			line = strings.TrimSuffix(line, "\n")
			if inFlags = inFlags || line == flagsBegin(command); inFlags {
				for _, of := range []string{" stringArray ", " strings ", " string "} {
					if strings.Contains(line, of) {
						t.Errorf("%s: a flag takes a%s: %s", command, of, line)
					}
				}
			}
			if n := utf8.RuneCountInString(line); n > usageWidth {
				t.Errorf("%s: %d columns: %s", command, n, line)
			}
		}
	}
}

// flagsBegin is the first heading of a command's flags.
func flagsBegin(command string) string {
	if groups := flagGroups[command]; len(groups) > 0 {
		return groups[0].title + ":"
	}
	return "Flags:"
}

// Every flag stands below a heading, and below one only.
func TestFlagGroups(t *testing.T) {
	root, _ := newRoot()
	known := make(map[string]bool)
	for _, c := range root.Commands() {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	}
	for _, c := range root.Commands() {
		groups, ok := flagGroups[c.Name()]
		if !ok {
			continue
		}
		seen := make(map[string]string)
		for _, g := range groups {
			for _, name := range g.flags {
				if !known[name] {
					t.Errorf("%s: no command has --%s", c.Name(), name)
				}
				if seen[name] != "" {
					t.Errorf("%s: --%s is below %s and %s", c.Name(), name, seen[name], g.title)
				}
				seen[name] = g.title
			}
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !f.Hidden && seen[f.Name] == "" {
				t.Errorf("%s: --%s is below no heading: give it one in flagGroups", c.Name(), f.Name)
			}
		})
	}
}

// TestHelpPages compares the topics with golden files. Each is a page.
func TestHelpPages(t *testing.T) {
	for _, topic := range topics() {
		var stdout, stderr bytes.Buffer
		if code := Main([]string{"help", topic.name}, strings.NewReader(""), &stdout, &stderr); code != exitOK || stderr.Len() > 0 {
			t.Fatalf("%s: exit code %d, %s", topic.name, code, &stderr)
		}
		lines := strings.Split(stdout.String(), "\n")
		if len(lines) > 61 {
			t.Errorf("%s: %d lines", topic.name, len(lines)-1)
		}
		golden.Check(t, filepath.Join("testdata", "help", topic.name+".txt"), stdout.String())
	}
}

// Each metric is in the page of its kind, and explained by itself.
func TestHelpMetrics(t *testing.T) {
	for _, m := range metric.All() {
		var one bytes.Buffer
		if !writeMetric(&one, m.Name) || !strings.Contains(one.String(), strings.Fields(m.Help)[0]) {
			t.Errorf("%s is not explained: %s", m.Name, &one)
		}
		for _, kind := range []string{record.KindRun, record.KindDrain} {
			family, leaf, dotted := strings.Cut(m.Name, ".")
			if family += "."; !dotted {
				family, leaf = "-", m.Name
			}
			if listed := slices.ContainsFunc(metricFamilies(kind), func(d definition) bool {
				return d.name == family && slices.Contains(strings.Fields(d.means), leaf)
			}); listed != m.In(kind) {
				t.Errorf("%s of a %s: listed %v", m.Name, kind, listed)
			}
		}
	}
}

func TestHelpOfNames(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"metrics", "connect.p99.5"}, exitOK, "connect call to connected; us; lower is better"},
		{[]string{"metrics", "all"}, exitOK, "lost_ratio"},
		{[]string{"verdicts", "local_ports"}, exitOK, "limited by local ports"},
		{[]string{"verdicts", "no_local_port"}, exitOK, "connect found no free local port"},
		{[]string{"verdicts", "all"}, exitOK, "no_local_port"},
		{[]string{"verdicts", "no_such"}, exitUsage, `help verdicts has no "no_such": see lastack help verdicts`},
		{[]string{"verdicts", "all", "all"}, exitUsage, `help verdicts has no "all all"`},
		{[]string{"presets", "fin-timeout"}, exitOK, "Does tcp_fin_timeout shorten TIME_WAIT?"},
		{[]string{"presets", "all"}, exitOK, "--vary tcp_timestamps=1,0"},
		{[]string{"presets", "no-such"}, exitUsage, `help presets has no "no-such": see lastack help presets`},
		{[]string{"metrics", "lag"}, exitOK, "lag.p99    scheduled start to start"},
		{[]string{"metrics", "counters"}, exitOK, "counters.NAME"},
		{[]string{"metrics", "raced"}, exitOK, "raced"},
		{[]string{"metrics", "la"}, exitUsage, `help metrics has no "la": see lastack help metrics`},
		{[]string{"outcomes", "fin"}, exitOK, "closed by FIN"},
		{[]string{"outcomes", "all"}, exitOK, "LEFT BEHIND"},
		{[]string{"outcomes", "unsafe"}, exitOK, "the server may have begun it"},
		{[]string{"outcomes", "left", "behind"}, exitOK, "sockets of the server that outlive it"},
		{[]string{"outcomes", "no_such"}, exitUsage, `help outcomes has no "no_such"`},
		{[]string{"states", "TIME_WAIT"}, exitOK, "closed by both, this side first"},
		{[]string{"states", "close_wait"}, exitOK, "the peer has closed"},
		{[]string{"policies", "client:fin"}, exitOK, "client  FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT"},
		{[]string{"policies", "linger"}, exitOK, "SO_LINGER {1,D}"},
		{[]string{"policies", "delay"}, exitOK, "close() after D"},
		{[]string{"policies", "never"}, exitOK, "stays in ESTABLISHED"},
		{[]string{"policies", "client:fly"}, exitUsage, `help policies has no "client:fly"`},
		{[]string{"run", "fly"}, exitUsage, "help explains one command or topic"},
	} {
		for _, before := range [][]string{{"help"}, nil} {
			if before == nil && tt.args[0] == "run" {
				continue
			}
			var stdout, stderr bytes.Buffer
			code := Main(append(before, tt.args...), strings.NewReader(""), &stdout, &stderr)
			if code != tt.code || !strings.Contains(stdout.String()+stderr.String(), tt.want) {
				t.Errorf("%q: exit code %d, %s%s", append(before, tt.args...), code, &stdout, &stderr)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	if err := writeVersion(&out, build{revision: "0123456789abcdef", time: "2026-11-27T17:00:00Z", modified: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"lastack  ", "go       go1.", "system   ", "commit   0123456789abcdef\n", "dated    2026-11-27T17:00:00Z\n", "not committed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
	out.Reset()
	if err := writeVersion(&out, build{}); err != nil || strings.Contains(out.String(), "commit") {
		t.Errorf("%v\n%s", err, &out)
	}
}
