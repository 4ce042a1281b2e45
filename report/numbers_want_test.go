package report

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"lastack/bench/record"
)

// numbers are what the table of a picture has to say: the first column, and those that it may have beside it.
type numbers struct {
	rows    []string
	columns map[string]func(row int) float64
}

func exact(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// itemRows has a row for each item, at a time of it.
func itemRows(items []node, key string, columns map[string]func(node) float64) numbers {
	n := numbers{columns: make(map[string]func(int) float64)}
	for _, item := range items {
		n.rows = append(n.rows, exact(item.at(key).num()))
	}
	for name, of := range columns {
		n.columns[name] = func(row int) float64 { return of(items[row]) }
	}
	return n
}

// fixed has rows with names, and columns of values.
func fixed(rows []string, columns map[string][]float64) numbers {
	n := numbers{rows: rows, columns: make(map[string]func(int) float64)}
	for name, values := range columns {
		n.columns[name] = func(row int) float64 { return values[row] }
	}
	return n
}

// key is the number at keys, of an item.
func key(keys ...string) func(node) float64 {
	return func(n node) float64 { return n.at(keys...).num() }
}

// micros is a time that is a gap if nothing completed.
func micros(name string) func(node) float64 {
	return func(n node) float64 {
		if v := n.at(name).num(); v > 0 {
			return v
		}
		return math.NaN()
	}
}

// under has a column for each key that any item has under one.
func under(items []node, name string) map[string]func(node) float64 {
	columns := make(map[string]func(node) float64)
	for _, item := range items {
		for _, k := range item.at(name).keys() {
			columns[k] = key(name, k)
		}
	}
	return columns
}

// recordNumbers has the numbers of each picture of a record that a page may have.
func recordNumbers(t testing.TB, rec node) map[string]func(heads []string, rows [][]string) numbers {
	t.Helper()
	timeline := rec.at("timeline").items()
	over := func(columns map[string]func(node) float64) func([]string, [][]string) numbers {
		return func([]string, [][]string) numbers { return itemRows(timeline, "t_s", columns) }
	}
	// Without a census there are no counts.
	censuses := slices.DeleteFunc(slices.Clone(timeline), func(iv node) bool {
		return iv.at("client").v == nil && iv.at("server").v == nil && iv.at("fds").v == nil && iv.at("tcp_mem_bytes").v == nil
	})
	counted := func(columns map[string]func(node) float64) func([]string, [][]string) numbers {
		return func([]string, [][]string) numbers { return itemRows(censuses, "t_s", columns) }
	}
	pressure := rec.at("pressure")
	rate := over(map[string]func(node) float64{"opened": key("opened"), "completed": key("completed"), "failed": key("failed")})
	all := map[string]func([]string, [][]string) numbers{
		"p-rate": func(heads []string, rows [][]string) numbers {
			n := rate(heads, rows)
			n.columns["asked for"] = due(rec)
			return n
		},
		"p-exchanges":     over(map[string]func(node) float64{"exchanges": key("requests")}),
		"p-failures":      over(under(timeline, "failures")),
		"p-latency":       over(map[string]func(node) float64{"max (µs)": micros("max_us"), "p99 (µs)": micros("p99_us"), "p50 (µs)": micros("p50_us")}),
		"p-in-flight":     over(map[string]func(node) float64{"in flight": key("in_flight")}),
		"p-states-client": counted(under(censuses, "client")),
		"p-states-server": counted(under(censuses, "server")),
		"p-time-wait":     counted(map[string]func(node) float64{"client": key("client", "TIME_WAIT"), "server": key("server", "TIME_WAIT")}),
		"p-ports":         counted(map[string]func(node) float64{"in use": key("ports_in_use")}),
		"p-descriptors":   counted(map[string]func(node) float64{"open": key("fds")}),
		"p-orphans":       counted(map[string]func(node) float64{"orphans": key("orphans")}),
		"p-queue":         counted(map[string]func(node) float64{"accept queue": key("accept_queue")}),
		"p-memory":        counted(map[string]func(node) float64{"buffers (bytes)": key("tcp_mem_bytes")}),
		"p-trouble":       over(under(timeline, "counters")),
		"p-search":        func([]string, [][]string) numbers { return connectSearch(t, rec) },
		"p-limits": func(_ []string, rows [][]string) numbers {
			limits := map[string][2]float64{
				"local ports":       {pressure.at("ports", "peak_in_use").num(), pressure.at("ports", "available").num()},
				"TIME_WAIT buckets": {pressure.at("tw_buckets", "peak").num(), pressure.at("tw_buckets", "limit").num()},
				"accept queue":      {pressure.at("accept_queue_peak").num(), pressure.at("backlog").num()},
				"descriptors":       {pressure.at("fds", "peak").num(), pressure.at("fds", "limit").num()},
			}
			var names []string
			used, free := []float64{}, []float64{}
			for _, row := range rows {
				if l, ok := limits[row[0]]; ok {
					names, used, free = append(names, row[0]), append(used, l[0]), append(free, l[1]-l[0])
				}
			}
			return fixed(names, map[string][]float64{"used": used, "free": free})
		},
		"p-cpu": func([]string, [][]string) numbers {
			cpu := pressure.at("cpu")
			s := func(name string) float64 { return cpu.at(name + "_s").num() }
			others := cpu.at("cpus").num()*s("elapsed") - s("generator") - s("server") - s("observer") - s("steal") - s("idle")
			return fixed([]string{"by program", "by kind of work"}, map[string][]float64{
				"load's workers (s)": {s("generator"), 0}, "server's workers (s)": {s("server"), 0}, "rest of this process (s)": {s("observer"), 0},
				"other programs, and the kernel by itself (s)": {others, 0},
				"user (s)": {0, s("user")}, "kernel (s)": {0, s("system") - s("softirq")}, "kernel, softirq (s)": {0, s("softirq")},
				"stolen (s)": {s("steal"), s("steal")}, "idle (s)": {s("idle"), s("idle")},
			})
		},
		"p-percentiles": func(_ []string, rows [][]string) numbers {
			n := percentileRows(t, rec.at("latency"), rows)
			if rec.at("kind").text() == record.KindDrain {
				delete(n.columns, "lifecycle (µs)") // the drain ended them
				delete(n.columns, "close (µs)")
			}
			return n
		},
	}
	planNumbers(rec, all)
	try, some := shownTry(rec)
	if !some {
		return all
	}
	parts := try.at("slices").items()
	around := func(columns map[string]func(node) float64) func([]string, [][]string) numbers {
		return func([]string, [][]string) numbers { return itemRows(parts, "t_s", columns) }
	}
	all["p-requests"] = around(map[string]func(node) float64{"answered": key("completed"), "answered 5xx": key("answered_5xx"), "lost": key("lost")})
	all["p-connects"] = around(map[string]func(node) float64{"accepted": key("accepted"), "refused": key("refused")})
	all["p-ends"] = around(map[string]func(node) float64{"by FIN": key("fin"), "by RST": key("rst")})
	all["p-request-fates"] = fates(try, "requests", map[string][]string{
		"answered": {"completed"}, "answered with Connection: close": {"completed_close"}, "answered 5xx": {"answered_5xx"},
		"lost": {"cut_fin", "cut_rst", "timed_out", "other"}, "sent in part only, on purpose": {"partial"}, "no reply when the load ended": {"open"},
	})
	all["p-connection-fates"] = fates(try, "connections", map[string][]string{
		"closed by the client, answered": {"done"}, "ended by FIN, no whole request pending": {"fin"}, "ended by RST, no whole request pending": {"rst"},
		"ended in a request": {"cut"}, "open when the watch ended": {"never"}, "ended otherwise": {"other"},
	})
	return all
}

// due is how many connections were to be opened in an interval, of a rate that goes evenly from one to another.
func due(rec node) func(row int) float64 {
	timeline, group, seconds := rec.at("timeline").items(), rec.at("plan", "groups").items()[0], rec.at("plan", "duration_ns").num()/1e9
	at := func(t float64) float64 {
		from, to := group.at("rate_from").num(), group.at("rate_to").num()
		return from + (to-from)*t/seconds
	}
	return func(row int) float64 {
		from, to := 0.0, min(timeline[row].at("t_s").num(), seconds)
		if row > 0 {
			from = timeline[row-1].at("t_s").num()
		}
		return math.Round(1e3*max(0, to-from)*(at(from)+at(to))/2) / 1e3
	}
}

// percentileRows has the percentiles of histograms under the names of columns. The named percentiles and the extremes are beside them.
func percentileRows(t testing.TB, latency node, rows [][]string) numbers {
	n := numbers{columns: make(map[string]func(int) float64)}
	for _, row := range rows {
		n.rows = append(n.rows, row[0])
	}
	for _, name := range latency.keys() {
		l := latency.at(name)
		if l.at("count").num() == 0 {
			continue
		}
		h := l.histogram(t)
		n.columns[name+" (µs)"] = func(row int) float64 {
			v := percentileUs(h, rows[row][0])
			named := map[string]string{"0": "min_us", "50": "p50_us", "90": "p90_us", "99": "p99_us", "99.9": "p999_us"}[rows[row][0]]
			if named != "" && l.at(named).num() != v {
				t.Errorf("%s: %s is %v, its histogram has %v", name, named, l.at(named).num(), v)
			}
			return v
		}
	}
	return n
}

// connectSearch puts the connects of intervals together whose share of taken ports is in the same twentieth.
func connectSearch(t testing.TB, rec node) numbers {
	type part struct {
		from, to float64
		times    *hdr.Histogram
	}
	parts := make(map[int]*part)
	taken, census := 0.0, true
	for _, iv := range rec.at("timeline").items() {
		before, knew := taken, census
		census = len(iv.at("client").keys()) > 0
		taken = (iv.at("ports_in_use").num() - iv.at("ports_reusable").num()) / rec.at("pressure", "ports", "available").num()
		taken = min(max(taken, 0), 1)
		if !census || !knew || iv.at("connect", "count").num() == 0 {
			continue
		}
		n := min(int((before+taken)/2*20), 19)
		from, to, h := min(before, taken), max(before, taken), iv.at("connect").histogram(t)
		if p := parts[n]; p != nil {
			p.from, p.to = min(p.from, from), max(p.to, to)
			p.times.Merge(h)
		} else {
			parts[n] = &part{from, to, h}
		}
	}
	all := numbers{columns: make(map[string]func(int) float64)}
	keys := slices.Sorted(maps.Keys(parts))
	for _, k := range keys {
		all.rows = append(all.rows, exact(math.Round(500*(parts[k].from+parts[k].to))/10))
	}
	for name, percent := range map[string]string{"p50 (µs)": "50", "p99 (µs)": "99", "max (µs)": "100"} {
		all.columns[name] = func(row int) float64 { return percentileUs(parts[keys[row]].times, percent) }
	}
	return all
}

// shownTry is the try of a drain that a page shows: the first of those with most failures.
func shownTry(rec node) (shown node, some bool) {
	most := -1.0
	for _, try := range rec.at("drain", "tries").items() {
		n := try.at("requests").sum("cut_fin", "cut_rst", "timed_out", "other", "answered_5xx") + try.at("listener").sum("refused", "timed_out", "unreachable")
		if n > most {
			most, shown, some = n, try, true
		}
	}
	return shown, some
}

// fates has a row for each group that has any, and one for all if there are several.
func fates(try node, of string, parts map[string][]string) func([]string, [][]string) numbers {
	return func([]string, [][]string) numbers {
		columns := make(map[string][]float64)
		var rows []string
		add := func(name string, from node) {
			sum := 0.0
			for _, keys := range parts {
				sum += from.sum(keys...)
			}
			if sum == 0 {
				return
			}
			rows = append(rows, name)
			for column, keys := range parts {
				columns[column] = append(columns[column], from.sum(keys...))
			}
		}
		groups := try.at("groups").items()
		for _, g := range groups {
			add(g.at("name").text(), g.at(of))
		}
		if len(groups) > 1 {
			add("all", try.at(of))
		}
		return fixed(rows, columns)
	}
}

// comparisonNumbers are those of the pictures of a comparison of these records.
func comparisonNumbers(t testing.TB, c node, records [2][]node) map[string]func(heads []string, rows [][]string) numbers {
	t.Helper()
	all := map[string]func([]string, [][]string) numbers{
		"p-changes": func(_ []string, rows [][]string) numbers {
			byMetric := make(map[string]node)
			for _, row := range c.at("rows").items() {
				byMetric[row.at("metric").text()] = row
			}
			var n numbers
			for _, row := range rows {
				if byMetric[row[0]].v != nil {
					n.rows = append(n.rows, row[0])
				}
			}
			ratio := func(key string) func(int) float64 {
				return func(row int) float64 { return byMetric[rows[row][0]].at(key).gap() }
			}
			n.columns = map[string]func(int) float64{"change (share)": ratio("ratio"), "from (share)": ratio("ratio_lo"), "to (share)": ratio("ratio_hi")}
			return n
		},
	}
	for _, shift := range c.at("shifts").items() {
		all["p-"+shift.at("latency").text()] = func(_ []string, rows [][]string) numbers {
			sides := node{map[string]any{"A": shift.at("a").v, "B": shift.at("b").v}}
			return percentileRows(t, sides, rows)
		}
	}
	times := c.at("timeline", "t_s").items()
	for i := range c.at("timeline", "a").items() {
		all["p-time-"+strconv.Itoa(i+1)] = func([]string, [][]string) numbers {
			of := comparedOverTime()[i]
			var at []string
			points := make(map[string][]float64)
			for k, when := range times {
				a, b := medianAt(records[0], k, of.value), medianAt(records[1], k, of.value)
				if !of.gaps && math.IsNaN(a) && math.IsNaN(b) {
					continue // no census
				}
				at = append(at, exact(when.num()))
				points["A"+of.unit], points["B"+of.unit] = append(points["A"+of.unit], a), append(points["B"+of.unit], b)
			}
			return fixed(at, points)
		}
	}
	return all
}

// overTime is a picture of a comparison over time: the value of an interval that took so many seconds, and whether times without one are drawn.
type overTime struct {
	unit  string
	gaps  bool
	value func(iv node, took float64) float64
}

// comparedOverTime lists them in the order of the page.
func comparedOverTime() []overTime {
	latency := func(key string) overTime {
		return overTime{" (µs)", true, func(iv node, _ float64) float64 { return iv.at(key).gap() }}
	}
	return []overTime{
		{" (1/s)", false, func(iv node, took float64) float64 { return iv.at("completed").num() / took }},
		{"", false, func(iv node, _ float64) float64 { return iv.at("failed").num() }},
		latency("p50_us"), latency("p99_us"), latency("max_us"),
		{"", false, func(iv node, _ float64) float64 {
			if iv.at("client").v == nil && iv.at("server").v == nil && iv.at("fds").v == nil && iv.at("tcp_mem_bytes").v == nil {
				return math.NaN()
			}
			return iv.at("client", "TIME_WAIT").num() + iv.at("server", "TIME_WAIT").num()
		}},
	}
}

// medianAt is the median of what records have in an interval, NaN if none has it.
func medianAt(records []node, k int, value func(iv node, took float64) float64) float64 {
	var all []float64
	for _, r := range records {
		timeline := r.at("timeline").items()
		took := timeline[k].at("t_s").num()
		if k > 0 {
			took -= timeline[k-1].at("t_s").num()
		}
		if v := value(timeline[k], took); !math.IsNaN(v) {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	n := len(all)
	if n == 0 {
		return math.NaN()
	}
	return (all[(n-1)/2] + all[n/2]) / 2
}
