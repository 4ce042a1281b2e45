// Command picture draws the README's picture: what TIME_WAIT does to a client that closes first. It reads records of two
// runs, one that closes by FIN and one by RST, and writes an SVG to stdout:
//
//	lastack run -d 6s --topology veth --interval 100ms -o fin.json
//	lastack run -d 6s --topology veth --interval 100ms -o rst.json --close client:rst
//	go run ./bench/lab/picture fin.json rst.json >.github/port-search.svg
package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"os"
	"strings"

	"lastack/bench/lab"
	"lastack/bench/quantity"
	"lastack/bench/record"
)

func main() {
	if err := draw(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "picture: %v\n", err)
		os.Exit(1)
	}
}

//go:embed picture.svg.tmpl
var page string

// The chart's area, in the template's units.
const (
	left, right = 70.0, 730.0
	top, bottom = 60.0, 300.0
)

// chart is what the template shows.
type chart struct {
	FIN, RST, TimeWait string // points of polylines
	Seconds            []tick
	Rates, Sockets     []tick
	FINRate, RSTRate   string
	Command, Host      string
}

type tick struct {
	At    float64
	Label string
}

func draw(w io.Writer, files []string) error {
	if len(files) != 2 {
		return fmt.Errorf("want two records, of a run that closes by FIN and of one that closes by RST")
	}
	var runs [2]*record.Run
	for i, name := range files {
		var err error
		if runs[i], err = lab.ReadRecord(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(runs[i].Timeline) == 0 || len(runs[i].Hosts) == 0 {
			return fmt.Errorf("%s: has no timeline", name)
		}
	}
	fin, rst := runs[0], runs[1]
	t, err := template.New("picture").Parse(page)
	if err != nil {
		return err
	}
	end := max(fin.LoadS, rst.LoadS)
	fastest, most := 0.0, 0.0
	for _, r := range runs {
		for _, p := range rates(r) {
			fastest = max(fastest, p.y)
		}
		for _, p := range timeWaits(r) {
			most = max(most, p.y)
		}
	}
	fastest, most = round(fastest), round(most)
	c := chart{
		FIN: line(rates(fin), end, fastest), RST: line(rates(rst), end, fastest), TimeWait: line(timeWaits(fin), end, most),
		FINRate: quantity.PerSecond(fin.Rate.OpenedPerS), RSTRate: quantity.PerSecond(rst.Rate.OpenedPerS),
		Command: command(fin.Plan.Command),
		Host:    fmt.Sprintf("Linux %s, %d CPUs, both ends on this host", fin.Hosts[0].Kernel, fin.Hosts[0].CPUs),
	}
	for s := 0.0; s <= end; s++ {
		c.Seconds = append(c.Seconds, tick{left + s/end*(right-left), fmt.Sprintf("%.0f s", s)})
	}
	for i := range 5 {
		share := float64(i) / 4
		at := bottom - share*(bottom-top)
		c.Rates = append(c.Rates, tick{at, quantity.Count(int64(share * fastest))})
		c.Sockets = append(c.Sockets, tick{at, quantity.Count(int64(share * most))})
	}
	return t.Execute(w, c)
}

// command leaves out where the record went.
func command(words []string) string {
	shown := []string{"lastack"}
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "-q":
		case "-o":
			i++
		default:
			shown = append(shown, words[i])
		}
	}
	return strings.Join(shown, " ")
}

type point struct{ x, y float64 }

// rates are the load's connections opened a second, by interval.
func rates(r *record.Run) []point {
	var all []point
	from := 0.0
	for i := range r.Timeline {
		iv := &r.Timeline[i]
		if took := iv.TS - from; iv.Phase == "load" && took > 0 {
			all = append(all, point{from, float64(iv.Opened) / took}, point{iv.TS, float64(iv.Opened) / took})
		}
		from = iv.TS
	}
	return all
}

// timeWaits are the client's sockets in TIME_WAIT, by census.
func timeWaits(r *record.Run) []point {
	all := []point{{0, 0}}
	for i := range r.Timeline {
		iv := &r.Timeline[i]
		if n, ok := iv.Client["TIME_WAIT"]; ok && iv.TS <= r.LoadS {
			all = append(all, point{iv.TS, float64(n)})
		}
	}
	return all
}

func line(points []point, end, most float64) string {
	var b strings.Builder
	for _, p := range points {
		fmt.Fprintf(&b, "%.1f,%.1f ", left+min(p.x/end, 1)*(right-left), bottom-p.y/most*(bottom-top))
	}
	return strings.TrimSpace(b.String())
}

// round is the next number from n whose quarters are round.
func round(n float64) float64 {
	for step := 4.0; ; step *= 10 {
		for _, k := range []float64{1, 2, 3, 4, 5, 6, 7, 8, 9} {
			if step*k >= n {
				return step * k
			}
		}
	}
}
