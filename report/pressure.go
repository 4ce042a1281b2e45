package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// nearLimit is the share of a limit from where on the first page names it.
const nearLimit = 0.5

// pressure is how close the run came to the limits around it.
func pressure(run *record.Run) *document.Section {
	p := &run.Pressure
	s := &document.Section{ID: "pressure", Title: "PRESSURE", Level: document.First}
	t := table(document.Detail, "", "peak", "limit", "used", "~")
	type near struct {
		name string
		used float64
	}
	var all []near
	add := func(name string, peak, limit float64, shown, bound document.Value, note string) {
		if peak <= 0 {
			return
		}
		if limit <= 0 {
			t.Rows = append(t.Rows, row(document.Detail, name, shown, nil, nil, txt(note)))
			return
		}
		t.Rows = append(t.Rows, row(document.Detail, name, shown, bound, usage(peak, limit), txt(note)))
		all = append(all, near{name, peak / limit})
	}
	gauge := func(name string, peak, limit int64, note string) {
		add(name, float64(peak), float64(limit), count(peak), count(limit), note)
	}
	memory := func(name string, peak, limit int64, note string) {
		add(name, float64(peak), float64(limit), document.Bytes(peak), document.Bytes(limit), note)
	}
	gauge("local ports", int64(p.Ports.PeakInUse), int64(p.Ports.Available), join("; ", portsWords(&p.Ports), pairsWords(p.Pairs)))
	gauge("descriptors", int64(p.Fds.Peak), p.Fds.Limit, "of this process")
	gauge("descriptors", int64(p.Fds.ServerPeak), 0, "of the server")
	gauge("open files", p.Files.Peak, p.Files.Limit, "of the whole host")
	gauge("accept queue", int64(p.AcceptQueuePeak), int64(p.Backlog), "")
	gauge("TIME_WAIT buckets", p.TWBuckets.Peak, p.TWBuckets.Limit, "")
	gauge("orphans", p.Orphans.Peak, p.Orphans.Limit, "of the whole host")
	if p.Conntrack != nil {
		gauge("conntrack", p.Conntrack.Peak, p.Conntrack.Limit, "")
	}
	memory("TCP buffers", p.Memory.TCPPeakBytes, p.Memory.TCPLimitBytes, "of the whole host, limit is tcp_mem")
	slabs, process := "growth over the run", "resident, peak"
	if n := run.Needs; n != nil && n.Connections >= manyConnections {
		slabs += "; " + quantity.Bytes(n.KernelBytes) + " expected"
		process += "; " + quantity.Bytes(n.ProcessBytes) + " expected"
	}
	memory("socket slabs", p.Memory.SlabPeakBytes, 0, slabs)
	memory("this process", p.Memory.RSSPeakBytes, 0, process)
	memory("the server", p.Memory.ServerRSSPeakBytes, 0, "resident, peak")
	if len(t.Rows) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b near) int { return cmp.Compare(b.used, a.used) })
	var high []string
	for _, n := range all {
		if n.used >= nearLimit {
			high = append(high, n.name+" "+quantity.Usage(n.used, 1))
		}
	}
	switch {
	case len(high) > 0:
		s.Lead = strings.Join(high, ", ") + " of the limit"
	case len(all) > 0:
		s.Lead = "no limit near: at most " + quantity.Usage(all[0].used, 1) + " (" + all[0].name + ")"
	}
	s.Blocks = append(s.Blocks, t)
	return s
}

// portsWords says how the local ports go on.
func portsWords(p *record.Ports) string {
	between := strings.Join(strings.Fields(p.Range), "-")
	switch full, level := quantity.Seconds(p.ExhaustedInS), quantity.Count(int64(p.LevelsOffAt)); {
	case p.ExhaustedInS > 0 && p.PeakInUse >= p.Available:
		return join("; ", between, "full after "+full)
	case p.ExhaustedInS > 0 && p.MaySlow:
		return join("; ", between, "if it goes on, full after "+full+" at the earliest: connect may get slower")
	case p.ExhaustedInS > 0:
		return join("; ", between, "at this rate full after "+full)
	case p.LevelsOffAt > p.PeakInUse && p.MaySlow:
		return join("; ", between, "if it goes on, levels off at "+level+" at the most: connect may get slower")
	case p.LevelsOffAt > p.PeakInUse:
		return join("; ", between, "at this rate levels off at "+level)
	}
	return between
}

func pairsWords(pairs []record.PortPair) string {
	if len(pairs) == 0 {
		return ""
	}
	byUse := func(a, b record.PortPair) int { return cmp.Compare(a.PeakInUse, b.PeakInUse) }
	fullest := slices.MaxFunc(pairs, byUse)
	words := fullest.Source + " > " + fullest.Destination
	if n := len(pairs); n > 1 {
		words = fmt.Sprintf("fullest of %d pairs: %s; the emptiest had %s", n, words, quantity.Count(int64(slices.MinFunc(pairs, byUse).PeakInUse)))
	}
	return words
}

// cpu splits the CPU time of the machine and of this process.
func cpu(run *record.Run) *document.Section {
	c, psi := &run.Pressure.CPU, run.Pressure.PSI
	if *c == (record.CPU{}) && psi == nil {
		return nil
	}
	s := &document.Section{ID: "cpu", Title: "CPU", Level: document.First}
	total := float64(c.CPUs) * c.ElapsedS
	t := table(document.Detail, "", "", "", "~")
	var parts []string
	add := func(short, name string, s, busiest float64, note string) {
		if s <= 0 {
			return
		}
		r := row(document.Detail, name, seconds(s))
		if c.SharesTell() {
			if busiest > 0 {
				note = join("; ", note, "busiest thread "+quantity.Usage(busiest, 1))
			}
			r.Cells = append(r.Cells, usage(s, total))
			if short != "" && total > 0 {
				parts = append(parts, short+" "+quantity.Usage(s, total))
			}
		} else {
			r.Cells = append(r.Cells, nil)
		}
		r.Cells = append(r.Cells, txt(note))
		t.Rows = append(t.Rows, r)
	}
	add("load", "load's workers", c.GeneratorS, c.GeneratorBusiest, "")
	add("server", "server's workers", c.ServerS, c.ServerBusiest, "")
	add("", "rest of this process", c.ObserverS, 0, "the observers and the runtime")
	add("", "machine, kernel", c.SystemS, 0, "softirq included")
	add("", "  softirq", c.SoftirqS, 0, "of the machine's time in the kernel")
	add("", "machine, user", c.UserS, 0, "")
	if rest := total - c.GeneratorS - c.ServerS - c.StealS - c.IdleS; rest > 0 && c.SharesTell() {
		parts = append(parts, "rest "+quantity.Usage(rest, total))
	}
	stolen := ""
	if c.StealS >= total/100 {
		stolen = "stolen"
	}
	add(stolen, "stolen", c.StealS, 0, "by the hypervisor: these were not ours to use")
	add("idle", "idle", c.IdleS, 0, "")
	if c.NotRead != "" {
		t.Rows = append(t.Rows, row(document.Detail, "machine", document.Absent("not read: "+c.NotRead)))
	}
	if c.WorkersNotRead != "" {
		t.Rows = append(t.Rows, row(document.Detail, "workers", document.Absent("not read: "+c.WorkersNotRead)))
	}
	if total > 0 {
		s.Lead = fmt.Sprintf("%s x %s = %s", number(c.CPUs, "CPU", "CPUs"), quantity.Seconds(c.ElapsedS), quantity.Seconds(total))
		if !c.SharesTell() {
			parts = append(parts, "too short to tell shares by ticks of 10 ms")
		}
		s.Lead = join(": ", s.Lead, strings.Join(parts, ", "))
	}
	s.Blocks = append(s.Blocks, t)
	if run.Sandbox.Topology != "" || run.Server != nil {
		s.Blocks = append(s.Blocks, note(document.Detail, "Both ends are on this host: the kernel runs the receiver's softirq work in whoever sends, so the split "+
			"between load and server shows who ran it, not whose work it was.")...)
	}
	if psi != nil && (psi.CPUSomeS > 0 || psi.MemorySomeS > 0 || psi.IOSomeS > 0) {
		s.Blocks = append(s.Blocks, note(document.Detail, "stalls of the whole host (PSI, some): CPU "+quantity.Seconds(psi.CPUSomeS)+", memory "+quantity.Seconds(psi.MemorySomeS)+", I/O "+quantity.Seconds(psi.IOSomeS))...)
	}
	return s
}
