package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers is the house: what each package may import of lastack. Imports point down
// only, so the order of the rows is one in which the packages can be built from the
// bottom up. A package that is not here, or imports more, is an error.
//
// loadgen and server do not know each other; bench does not know report; report reads
// only the record, so that a saved run shows exactly as a live one.
var layers = []struct {
	pkg  string
	uses []string
}{
	{"sockstate", nil},
	{"sockstate/clock", nil},
	{"sockstate/arrivals", nil},
	{"sockstate/netns", []string{"sockstate"}},
	{"sockstate/sockio/ring", nil},
	{"sockstate/sockio", []string{"sockstate", "sockstate/netns", "sockstate/clock", "sockstate/sockio/ring"}},
	{"sockstate/socktest/golden", nil},
	{"sockstate/socktest", []string{"sockstate", "sockstate/netns", "sockstate/sockio"}},
	{"sockstate/exchange", []string{"sockstate", "sockstate/sockio"}},
	{"sockstate/teardown", []string{"sockstate", "sockstate/sockio", "sockstate/exchange"}},
	{"sockstate/procnet", []string{"sockstate", "sockstate/netns", "sockstate/sockio"}},
	{"sockstate/sockdiag", []string{"sockstate", "sockstate/netns", "sockstate/sockio"}},
	{"sockstate/trace", []string{"sockstate", "sockstate/netns", "sockstate/clock"}},
	{"sockstate/observe", []string{"sockstate", "sockstate/netns", "sockstate/sockio", "sockstate/procnet", "sockstate/sockdiag", "sockstate/trace"}},

	{"sockstate/capture", []string{"sockstate", "sockstate/netns", "sockstate/clock", "sockstate/sockio"}},

	{"sockstate/conntrack", []string{"sockstate", "sockstate/netns"}},

	{"server", []string{"sockstate", "sockstate/netns", "sockstate/clock", "sockstate/sockio", "sockstate/sockdiag", "sockstate/teardown", "sockstate/exchange"}},
	{"loadgen", []string{"sockstate", "sockstate/netns", "sockstate/clock", "sockstate/arrivals", "sockstate/sockio", "sockstate/teardown", "sockstate/exchange"}},

	{"bench/lazy", nil},
	{"bench/shard", []string{"sockstate"}},
	{"bench/quantity", []string{"sockstate"}},
	{"bench/record", []string{"bench/lazy", "sockstate", "sockstate/arrivals", "bench/quantity"}},
	{"bench/record/recordtest", []string{"bench/record"}},
	{"bench/model", []string{"sockstate", "sockstate/teardown", "sockstate/exchange", "bench/quantity", "bench/record"}},
	{"bench/metric", []string{"sockstate", "bench/quantity", "bench/record"}},
	{"bench/stat", nil},
	{"bench/compare", []string{"sockstate", "bench/quantity", "bench/record", "bench/metric", "bench/stat"}},
	{"bench/verdict", []string{"sockstate", "sockstate/teardown", "bench/quantity", "bench/record", "bench/metric", "bench/model", "bench/shard"}},
	{"bench/expose", []string{"server", "bench/record", "bench/metric"}},
	{"bench/merge", []string{"sockstate", "bench/record", "bench/shard", "bench/verdict"}},
	{"bench/host", []string{"sockstate", "sockstate/...", "bench/quantity", "bench/model"}},
	{"bench/process", []string{"sockstate", "sockstate/netns", "sockstate/clock", "sockstate/sockio", "sockstate/sockdiag", "bench/host"}},
	{"bench/sandbox", []string{"sockstate", "sockstate/netns", "sockstate/clock", "sockstate/sockio", "sockstate/sockdiag", "sockstate/procnet", "bench/record", "bench/host", "bench/process"}},
	{"bench/fleet", []string{"bench/lazy", "sockstate", "bench/shard"}},
	{"bench/rendezvous", []string{"sockstate", "bench/shard"}},
	{"bench/setup", []string{"bench/shard", "loadgen", "server", "sockstate", "sockstate/sockio", "sockstate/teardown", "sockstate/exchange", "bench/quantity", "bench/record", "bench/host", "bench/sandbox", "bench/model"}},
	{"bench/cell", []string{"bench/record", "bench/sandbox"}},
	{"bench/sweep", []string{"bench/quantity", "bench/record", "bench/metric", "bench/stat"}},
	{"bench/preset", []string{"sockstate", "bench/quantity", "bench/record", "bench/metric", "bench/sweep"}},
	{"bench", []string{"bench/cell", "loadgen", "server", "sockstate", "sockstate/...", "bench/quantity", "bench/record", "bench/verdict", "bench/host", "bench/sandbox", "bench/setup", "bench/model"}},

	{"bench/grid", []string{"bench/cell", "loadgen", "sockstate", "sockstate/sockio", "sockstate/exchange", "sockstate/teardown", "bench", "bench/quantity", "bench/record", "bench/metric", "bench/host", "bench/sandbox", "bench/setup", "bench/sweep"}},
	{"bench/tune", []string{"loadgen", "sockstate", "sockstate/teardown", "bench", "bench/grid", "bench/quantity", "bench/record", "bench/metric", "bench/host", "bench/setup"}},
	{"bench/verify", []string{"loadgen", "sockstate", "sockstate/teardown", "bench", "bench/cell", "bench/grid", "bench/model", "bench/record", "bench/sandbox", "bench/setup"}},
	{"bench/drain", []string{"bench/lazy", "bench/cell", "loadgen", "sockstate", "sockstate/...", "bench", "bench/quantity", "bench/record", "bench/metric", "bench/verdict", "bench/host", "bench/sandbox", "bench/process", "bench/setup"}},

	{"bench/ladder", []string{"sockstate", "bench/record"}},
	{"bench/handshake", []string{"bench/cell", "sockstate", "sockstate/...", "bench/ladder", "bench/record", "bench/sandbox", "bench/setup"}},

	// The project's own measurements, no part of the program.
	{"bench/lab", []string{"bench/quantity", "bench/record"}},
	{"bench/lab/gallery", []string{"bench/lab", "bench/metric", "bench/quantity", "bench/record"}},
	{"bench/lab/peers", []string{
		"sockstate", "sockstate/netns", "sockstate/sockio", "sockstate/sockdiag", "bench/quantity", "bench/record", "bench/metric", "bench/host", "bench/sandbox", "bench/lab",
	}},
	{"bench/lab/picture", []string{"bench/lab", "bench/quantity", "bench/record"}},

	{"report/document", nil},
	{"report/text", []string{"bench/quantity", "report/document"}},
	{"report/svg", []string{"bench/quantity", "report/document", "report/text"}},
	{"report/mermaid", []string{"report/document", "report/text"}},
	{"report/pcapng", []string{"bench/record"}},
	{"report/html", []string{"bench/lazy", "report/document", "report/svg", "report/text"}},
	{"report/markdown", []string{"bench/lazy", "report/document", "report/mermaid", "report/text"}},
	{"report/csv", []string{"report/document", "report/text"}},
	{"report/hlog", []string{"report/document"}},
	{"report", []string{
		"bench/lazy", "sockstate", "bench/quantity", "bench/record", "bench/shard", "bench/metric", "bench/compare", "bench/preset", "bench/sweep", "report/document", "report/text", "report/html", "report/markdown", "report/csv", "report/hlog", "report/mermaid", "report/pcapng", "report/svg",
	}},
	{"cmd/lastack", []string{
		"report", "bench", "bench/cell", "bench/compare", "bench/drain", "bench/grid", "bench/handshake", "bench/preset", "bench/sweep", "bench/tune", "bench/process", "bench/quantity", "bench/record", "bench/metric", "bench/verdict", "bench/host", "bench/sandbox", "bench/setup", "bench/model", "bench/verify", "bench/shard", "bench/rendezvous", "bench/merge", "bench/fleet", "bench/expose",
		// The values that flags hold.
		"loadgen", "server", "sockstate", "sockstate/observe", "sockstate/sockio", "sockstate/teardown", "sockstate/exchange",
	}},
}

// onlyThirdParty bounds the foreign modules of the packages whose portability is the point.
var onlyThirdParty = map[string][]string{
	"sockstate":          nil,
	"sockstate/exchange": nil,
	"bench/record":       {"github.com/HdrHistogram/hdrhistogram-go"},
	"bench/metric":       nil,
	"bench/stat":         {"github.com/aclements/go-moremath/mathx"},
	"bench/sweep":        {"golang.org/x/perf/benchmath"},
	"bench/preset":       nil,
	"bench/compare":      {"github.com/HdrHistogram/hdrhistogram-go", "github.com/aclements/go-moremath/stats", "golang.org/x/perf/benchmath"},
	"report/document":    nil,
	"report/text":        nil,
	"report/svg":         nil,
	"report/html":        nil,
	"report/markdown":    nil,
	"report/csv":         nil,
	"report/hlog":        nil,
	"report/mermaid":     nil,
	"report/pcapng":      nil,
	"report":             nil,
	"bench/verdict":      nil,
	"bench/model":        nil,
}

// notThirdParty names foreign packages that stay out of all packages but those listed.
var notThirdParty = map[string][]string{
	"golang.org/x/sys/unix":   {"sockstate/...", "server", "loadgen", "bench", "bench/host", "bench/sandbox", "bench/process", "bench/drain", "bench/handshake", "bench/lab/peers"},
	"github.com/spf13/cobra":  {"cmd/lastack"},
	"github.com/mdlayher/...": {"sockstate/...", "bench/...", "bench"},
}

const module = "lastack"

// listed is what the test needs of go list -json.
type listed struct {
	ImportPath string
	Imports    []string
}

// list returns the packages of the module and their imports, tests not counted, on
// each system with files of its own.
func list(t *testing.T) []listed {
	t.Helper()
	var all []listed
	for _, goos := range []string{"linux", "darwin"} {
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", module+"/...")
		cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v\n%s", err, stderr.String())
		}
		for d := json.NewDecoder(bytes.NewReader(out)); ; {
			var p listed
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
	}
	return all
}

// matches reports whether path is pattern, or lies under it where it ends in "/...".
func matches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if root, ok := strings.CutSuffix(p, "/..."); ok {
			return strings.HasPrefix(path, root+"/")
		}
		return path == p
	})
}

// violations are the sentences that say which imports break the house.
func violations(packages []listed) []string {
	var found []string
	for _, p := range packages {
		pkg := strings.TrimPrefix(p.ImportPath, module+"/")
		row := -1
		for i, l := range layers {
			if l.pkg == pkg {
				row = i
			}
		}
		if row < 0 {
			found = append(found, pkg+" has no place in the house: give it a row in layers")
			continue
		}
		for _, i := range p.Imports {
			if own, ok := strings.CutPrefix(i, module+"/"); ok {
				if !matches(own, layers[row].uses) {
					found = append(found, pkg+" must not import "+own)
				}
				continue
			}
			first, _, _ := strings.Cut(i, "/")
			if !strings.Contains(first, ".") {
				continue // the standard library
			}
			if only, bound := onlyThirdParty[pkg]; bound && !matches(i, only) {
				found = append(found, pkg+" must not import "+i)
			}
			for foreign, users := range notThirdParty {
				if matches(i, []string{foreign}) && !matches(pkg, users) {
					found = append(found, pkg+" must not import "+i)
				}
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestLayering(t *testing.T) {
	packages := list(t)
	if len(packages) == 0 {
		t.Fatal("go list found no package")
	}
	for _, v := range violations(packages) {
		t.Error(v)
	}
}

// TestLayersPointDown checks the table itself: each row uses rows above it only.
func TestLayersPointDown(t *testing.T) {
	var above []string
	for _, l := range layers {
		for _, u := range l.uses {
			root, under := strings.CutSuffix(u, "/...")
			if !slices.ContainsFunc(above, func(a string) bool {
				return a == u || under && strings.HasPrefix(a, root+"/")
			}) {
				t.Errorf("%s uses %s, which is not above it", l.pkg, u)
			}
		}
		above = append(above, l.pkg)
	}
}

// TestViolations checks that the test can fail.
func TestViolations(t *testing.T) {
	for _, tt := range []struct {
		pkg, imports, want string
	}{
		{"report", "lastack/bench/record", ""},
		{"report", "lastack/bench", "report must not import bench"},
		{"report/text", "lastack/bench/record", "report/text must not import bench/record"},
		{"report/document", "lastack/bench/quantity", "report/document must not import bench/quantity"},
		{"report", "golang.org/x/sys/unix", "report must not import golang.org/x/sys/unix"},
		{"loadgen", "lastack/server", "loadgen must not import server"},
		{"loadgen", "golang.org/x/sys/unix", ""},
		{"server", "lastack/loadgen", "server must not import loadgen"},
		{"bench", "lastack/report", "bench must not import report"},
		{"bench", "github.com/spf13/cobra", "bench must not import github.com/spf13/cobra"},
		{"bench/host", "lastack/sockstate/sockio", ""},
		{"bench/record", "lastack/sockstate/sockio", "bench/record must not import sockstate/sockio"},
		{"bench/record", "github.com/HdrHistogram/hdrhistogram-go", ""},
		{"bench/record", "github.com/google/go-cmp/cmp", "bench/record must not import github.com/google/go-cmp/cmp"},
		{"sockstate", "net/netip", ""},
		{"attic", "fmt", "attic has no place in the house: give it a row in layers"},
	} {
		got := strings.Join(violations([]listed{{ImportPath: module + "/" + tt.pkg, Imports: []string{tt.imports}}}), "\n")
		if got != tt.want {
			t.Errorf("%s importing %s: %q, want %q", tt.pkg, tt.imports, got, tt.want)
		}
	}
}
