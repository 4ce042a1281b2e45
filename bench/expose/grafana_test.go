package expose

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"lastack/bench/metric"
	"lastack/bench/record"
)

// The dashboard asks for what is shown, and for nothing else: each name, and each label of it.
func TestDashboard(t *testing.T) {
	t.Parallel()
	board := readDashboard(t)
	families := map[string]metric.Family{"lastack_build_info": metric.Info("", ""), "lastack_run_info": metric.RunInfo(&record.Shard{}, "R")}
	for _, f := range slices.Concat(metric.LiveRun(), metric.LiveDrain(), metric.LiveServer()) {
		families[f.Name] = f
	}
	selector := regexp.MustCompile(`(lastack_\w+)(\{[^}]*\})?`)
	grouped := regexp.MustCompile(`by \(([^)]*)\) \(`)
	label := regexp.MustCompile(`(\w+)=~?"`)
	uses := 0
	check := func(where, expr string) {
		var labels []string
		for _, by := range grouped.FindAllStringSubmatch(expr, -1) {
			labels = append(labels, strings.Split(by[1], ", ")...)
		}
		for _, s := range selector.FindAllStringSubmatch(expr, -1) {
			uses++
			name, classic := strings.CutSuffix(s[1], "_bucket")
			f, ok := families[name]
			if !ok || classic && f.Kind != metric.Histogram {
				t.Errorf("%s: %s is not shown", where, s[1])
				continue
			}
			known := append([]string{"job", "instance", "le"}, f.Labels...)
			for _, l := range label.FindAllStringSubmatch(s[2], -1) {
				labels = append(labels, l[1])
			}
			for _, l := range labels {
				if !slices.Contains(known, l) {
					t.Errorf("%s: %s has no label %q", where, name, l)
				}
			}
		}
	}
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d %q: its number is another's, or it has no title, no place or no query", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			check(p.Title, q.Expr)
		}
	}
	for _, a := range board.Annotations.List {
		check("annotation", a.Expr)
	}
	for _, v := range board.Templating.List {
		check("variable", v.Query)
	}
	if uses < 30 {
		t.Errorf("%d metrics found in the dashboard: it asks for more", uses)
	}
}
