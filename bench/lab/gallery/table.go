package gallery

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"lastack/bench/quantity"
)

// Row is an entry that was run.
type Row struct {
	Entry    *Entry
	Observed Observed
}

// Absence is an entry, or a server, that was not run.
type Absence struct{ Name, Reason string }

// Version is what a server's program says of itself.
type Version struct{ Server, Version string }

// Facts are what the table depends on beside the servers.
type Facts struct {
	Lastack, Kernel string
	CPUs            int
	Date            time.Time
	Versions        []Version
	// Load describes the clients.
	Load string
}

// Table writes the gallery as Markdown. The error is w's.
func Table(w io.Writer, f Facts, rows []Row, absent []Absence) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "## Real servers, stopped under load, %s\n\n", f.Date.UTC().Format("2006-01-02 15:04 MST"))
	fmt.Fprintf(b, "- host: Linux %s, %d CPUs; lastack %s\n", f.Kernel, f.CPUs, f.Lastack)
	versions := make([]string, len(f.Versions))
	for i, v := range f.Versions {
		versions[i] = v.Server + " " + v.Version
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

// Name is the entry for people: its server, signal and mode.
func (e *Entry) Name() string {
	name := e.Server.Name + ", " + e.Signal
	if e.How != "" {
		name += " (" + e.How + ")"
	}
	return name
}

func (r *Row) write(w io.Writer, n *notes) {
	fmt.Fprintf(w, "| **%s** | expected |", r.Entry.Name())
	for c := range columns {
		fmt.Fprintf(w, " %s |", expected(r.Entry.Expected[c]))
	}
	fmt.Fprint(w, " |\n| | observed |")
	for c := range columns {
		cell := &r.Observed.Cells[c]
		text := cell.String()
		judgement, ns := r.Entry.Judge(c, cell.Tally)
		if judgement == Explained || judgement == Unexplained {
			text = "**" + text + "**"
		}
		text += n.refer(ns)
		if judgement == Unexplained {
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

// notes are the footnotes in the order of their first mention; entries that say the same share one.
type notes []*Note

func (n *notes) refer(ns []*Note) string {
	var b strings.Builder
	for _, note := range ns {
		at := slices.IndexFunc(*n, func(known *Note) bool { return known.Why == note.Why && known.Source == note.Source })
		if at < 0 {
			at = len(*n)
			*n = append(*n, note)
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

func legend(w io.Writer, rows []Row) {
	fmt.Fprint(w, "\nWhat is bold came otherwise than expected; `(?)` stands where that is not explained. "+
		"\"raced\" are requests that crossed the close of a kept connection: they came when the server had closed it already, so that they may be sent again; "+
		"they are no part of the columns before. A port that is free with SO_REUSEADDR only has TIME_WAIT sockets on it.\n")
	seen := map[*Server]bool{}
	for i := range rows {
		if s := rows[i].Entry.Server; !seen[s] {
			seen[s] = true
			fmt.Fprintf(w, "- %s: in flight is %s.\n", s.Name, s.InFlight)
		}
	}
	fmt.Fprint(w, "\nExpected after:\n")
	for i := range rows {
		fmt.Fprintf(w, "- %s: %s\n", rows[i].Entry.Name(), strings.Join(rows[i].Entry.Sources, "; "))
	}
}
