package report

import (
	"strings"
	"testing"

	"lastack/bench/record"
)

// The page says which address of a name the load went to, and where nothing is exchanged.
func TestTargetLines(t *testing.T) {
	const resolved = "web.example:80 has 2 addresses, each was tried by one connection: the load goes to 127.0.0.1:80"
	const silent = "nothing is sent: connections are opened and closed only"
	for _, tt := range []struct {
		name    string
		change  func(r *record.Run)
		has, no []string
	}{
		{"an embedded server", func(r *record.Run) { r.Plan.Groups[0].Exchange = "none" }, nil, []string{silent, "resolved"}},
		{"a target", func(r *record.Run) { r.Server, r.Plan.ServerWorkers = nil, 0 }, nil, []string{silent, "resolved"}},
		{"a target without an exchange", func(r *record.Run) {
			r.Server, r.Plan.ServerWorkers, r.Plan.Groups[0].Exchange = nil, 0, "none"
		}, []string{silent}, nil},
		{"a name", func(r *record.Run) { r.Plan.Resolved = []string{resolved} }, []string{resolved}, nil},
		{"a name of a drain", func(r *record.Run) {
			r.Kind, r.Drain, r.Plan.Resolved = record.KindDrain, &record.Drain{}, []string{resolved}
		}, []string{resolved}, []string{silent}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := sample(t, "veth")
			tt.change(r)
			page := render(t, "text", r)
			checkPage(t, page)
			flat := strings.Join(strings.Fields(string(page)), " ")
			for _, want := range tt.has {
				if !strings.Contains(flat, want) {
					t.Errorf("no %q in\n%s", want, page)
				}
			}
			for _, not := range tt.no {
				if strings.Contains(flat, not) {
					t.Errorf("%q in\n%s", not, page)
				}
			}
		})
	}
}
