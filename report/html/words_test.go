package html

import (
	"strings"
	"testing"

	"lastack/report/document"
)

// The first letter of a sentence is made large, but not that of a name.
func TestCode(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"the run was short", "the run was short"},
		{"tcp_fin_timeout=15: fails", `<code class="as-is">tcp_fin_timeout=15</code>: fails`},
		{"raise fs.file-max, or not", "raise <code>fs.file-max</code>, or not"},
		{"raise net.ipv4.tcp_tw_reuse=1", "raise <code>net.ipv4.tcp_tw_reuse=1</code>"},
		{"a trial (ip_local_port_range=32768 65535) was late", "a trial (<code>ip_local_port_range=32768 65535</code>) was late"},
		{"found_rate; runs of one cell", `<span class="as-is">found_rate</span>; runs of one cell`},
		{"lifecycle.p50 <b>", `<span class="as-is">lifecycle.p50</span> &lt;b&gt;`},
		{"port-range: how many", `<span class="as-is">port-range:</span> how many`},
		{"two-sided tests", "two-sided tests"},
		{"dropped on purpose (--loss 1%): 166 SYNs", "dropped on purpose (<code>--loss 1%</code>): 166 SYNs"},
		{"--loss 0.5%", `<code class="as-is">--loss 0.5%</code>`},
	} {
		if got := string(code(tt.in)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.in, got, tt.want)
		}
	}
}

// A column that has numbers and texts shows the units of its numbers too.
func TestMixedColumn(t *testing.T) {
	table := &document.Table{Columns: []document.Column{{}, {Name: "change"}}, Rows: []document.Row{
		{Cells: []document.Value{document.Text("lost_ratio"), document.Points(0.0029)}},
		{Cells: []document.Value{document.Text("rate.completed"), document.Change(-0.05)}},
		{Cells: []document.Value{document.Text("lost"), document.Text("+11")}},
	}}
	var got []string
	for _, l := range newGrid(table).Rows {
		got = append(got, l.Cells[1].Text+l.Cells[1].Unit)
	}
	if want := "+0.29 points|-5.00 %|+11"; strings.Join(got, "|") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
