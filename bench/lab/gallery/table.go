package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"lastack/bench/lab"
	"lastack/bench/quantity"
)

// row is an entry that was run.
type row struct {
	Entry    *entry
	Observed observation
}

// facts are the circumstances of the table beside the servers.
type facts struct {
	Lastack, Kernel string
	CPUs            int
	Date            time.Time
	Versions        []lab.Version
	// Load describes the clients.
	Load string
}

// writeTable writes the gallery as Markdown. The error is w's.
func writeTable(w io.Writer, f facts, rows []row, absent []lab.Absence) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "## Real servers, stopped under load, %s\n\n", f.Date.UTC().Format("2006-01-02 15:04 MST"))
	fmt.Fprintf(b, "- host: Linux %s, %d CPUs; lastack %s\n", f.Kernel, f.CPUs, f.Lastack)
	versions := make([]string, len(f.Versions))
	for i, v := range f.Versions {
		versions[i] = v.Program + " " + v.Version
	}
	fmt.Fprintf(b, "- servers: %s\n", strings.Join(versions, ", "))
	fmt.Fprintf(b, "- %s\n\n", f.Load)

	head, rule := "| server, signal | |", "|---|---|"
	for c := range columns {
		head += " " + c.String() + " |"
		rule += "---|"
	}
	fmt.Fprintf(b, "%s arrivals lost |\n%s---:|\n", head, rule)
	var n notes
	for i := range rows {
		rows[i].write(b, &n)
	}
	n.write(b)
	for _, a := range absent {
		fmt.Fprintf(b, "\nNot run: %s: %s.\n", a.Name, a.Reason)
	}
	for i := range rows {
		for _, d := range rows[i].Observed.Doubts {
			fmt.Fprintf(b, "\nDoubt about %s: %s.\n", rows[i].Entry.Name(), strings.TrimSuffix(d, "."))
		}
	}
	legend(b, rows)
	return b.Flush()
}

// Name is the entry's name for display: server, signal and mode.
func (e *entry) Name() string {
	name := e.Server.Name + ", " + e.Signal
	if e.How != "" {
		name += " (" + e.How + ")"
	}
	return name
}

func (r *row) write(w io.Writer, n *notes) {
	fmt.Fprintf(w, "| **%s** | expected |", r.Entry.Name())
	for c := range columns {
		fmt.Fprintf(w, " %s |", expectedCell(r.Entry.Expected[c]))
	}
	fmt.Fprint(w, " |\n| | observed |")
	for c := range columns {
		cell := &r.Observed.Cells[c]
		text := cell.String()
		judgement, ns := r.Entry.judge(c, cell.Tally)
		if judgement == explained || judgement == unexplained {
			text = "**" + text + "**"
		}
		text += n.refer(ns)
		if judgement == unexplained {
			text += " (?)"
		}
		fmt.Fprintf(w, " %s |", text)
	}
	lost := "–"
	if r.Observed.Arrivals > 0 {
		lost = quantity.Count(r.Observed.ArrivalsLost) + " of " + quantity.Count(r.Observed.Arrivals)
	}
	fmt.Fprintf(w, " %s |\n", lost)
}

// notes are the footnotes in order of first mention; entries with equal notes share one.
type notes []*note

func (n *notes) refer(ns []*note) string {
	var b strings.Builder
	for _, of := range ns {
		at := slices.IndexFunc(*n, func(known *note) bool { return known.Why == of.Why && known.Source == of.Source })
		if at < 0 {
			at = len(*n)
			*n = append(*n, of)
		}
		fmt.Fprintf(&b, " [%d]", at+1)
	}
	return b.String()
}

func (n notes) write(w io.Writer) {
	for i, d := range n {
		fmt.Fprintf(w, "\n[%d] %s (%s)\n", i+1, d.Why, d.Source)
	}
}

func legend(w io.Writer, rows []row) {
	fmt.Fprint(w, "\nBold: not as expected. `(?)`: not explained either. Raced: requests on a kept connection that arrived after the server had closed it; "+
		"a client may send them again, and no other column counts them. SO_REUSEADDR: only that option can bind the port, as TIME_WAIT sockets hold it.\n")
	seen := map[*server]bool{}
	for i := range rows {
		if s := rows[i].Entry.Server; !seen[s] {
			seen[s] = true
			fmt.Fprintf(w, "- %s: a request in flight is %s.\n", s.Name, s.InFlight)
		}
	}
	fmt.Fprint(w, "\nSources of what is expected:\n")
	for i := range rows {
		fmt.Fprintf(w, "- %s: %s\n", rows[i].Entry.Name(), strings.Join(rows[i].Entry.Sources, "; "))
	}
}
