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

// nearLimit is the share of a limit from which the first page names it.
const nearLimit = 0.5

// pressure is how close the run came to the limits around it.
func pressure(run *record.Run) *section {
	p := &run.Pressure
	s := begin(document.First, "PRESSURE", "")
	t := s.table(document.Detail, "", "peak", "limit", "used", "~")
	type near struct {
		name string
		used float64
	}
	var all []near
	add := func(name string, peak, limit int64, value func(int64) document.Value, note string) {
		switch {
		case peak <= 0:
		case limit <= 0:
			t.row(name, value(peak), nil, nil, txt(note))
		default:
			t.row(name, value(peak), value(limit), usage(float64(peak), float64(limit)), txt(note))
			all = append(all, near{name, float64(peak) / float64(limit)})
		}
	}
	bytes := func(n int64) document.Value { return document.Bytes(n) }
	add("local ports", int64(p.Ports.PeakInUse), int64(p.Ports.Available), count, join("; ", portsWords(&p.Ports), pairsWords(p.Pairs)))
	add("descriptors", int64(p.Fds.Peak), p.Fds.Limit, count, "of this process")
	add("descriptors", int64(p.Fds.ServerPeak), 0, count, "of the server")
	add("open files", p.Files.Peak, p.Files.Limit, count, "of the whole host")
	add("accept queue", int64(p.AcceptQueuePeak), int64(p.Backlog), count, "")
	add("TIME_WAIT buckets", p.TWBuckets.Peak, p.TWBuckets.Limit, count, "")
	add("orphans", p.Orphans.Peak, p.Orphans.Limit, count, "of the whole host")
	if p.Conntrack != nil {
		add("conntrack", p.Conntrack.Peak, p.Conntrack.Limit, count, "")
	}
	if k := run.Tracking; k != nil {
		add("router's conntrack", k.Peak, k.Max, count, "")
	}
	add("TCP buffers", p.Memory.TCPPeakBytes, p.Memory.TCPLimitBytes, bytes, "of the whole host, limit is tcp_mem")
	slabs, process := "growth over the run", "resident, peak"
	if n := run.Needs; n != nil && n.Connections >= manyConnections {
		slabs += "; " + quantity.Bytes(n.KernelBytes) + " expected"
		process += "; " + quantity.Bytes(n.ProcessBytes) + " expected"
	}
	add("socket slabs", p.Memory.SlabPeakBytes, 0, bytes, slabs)
	add("this process", p.Memory.RSSPeakBytes, 0, bytes, process)
	add("the server", p.Memory.ServerRSSPeakBytes, 0, bytes, "resident, peak")
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
	return s
}

// portsWords says how many local ports the load will use if it goes on.
func portsWords(p *record.Ports) string {
	between := strings.Join(strings.Fields(p.Range), "-")
	switch full, level := quantity.Seconds(p.ExhaustedInS), quantity.Count(int64(p.LevelsOffAt)); {
	case p.ExhaustedInS > 0 && p.PeakInUse >= p.Available:
		return join("; ", between, "full after "+full)
	case p.ExhaustedInS > 0 && p.MaySlow:
		return join("; ", between, "if the load goes on, full after "+full+" or later: connect may get slower")
	case p.ExhaustedInS > 0:
		return join("; ", between, "at this rate full after "+full)
	case p.LevelsOffAt > p.PeakInUse && p.MaySlow:
		return join("; ", between, "if the load goes on, levels off at "+level+" or fewer: connect may get slower")
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
	if len(pairs) == 1 {
		return words
	}
	return fmt.Sprintf("fullest of %d pairs: %s; the emptiest had %s", len(pairs), words, quantity.Count(int64(slices.MinFunc(pairs, byUse).PeakInUse)))
}

// cpu splits the CPU time of the machine and of this process.
func cpu(run *record.Run) *section {
	c, psi := &run.Pressure.CPU, run.Pressure.PSI
	if *c == (record.CPU{}) && psi == nil {
		return nil
	}
	s := begin(document.First, "CPU", "")
	total := float64(c.CPUs) * c.ElapsedS
	t := s.table(document.Detail, "", "", "", "~")
	var parts []string
	add := func(short, name string, s, busiest float64, note string) {
		if s <= 0 {
			return
		}
		var part document.Value
		if c.SharesTell() {
			note = join("; ", note, given(busiest > 0, "busiest thread "+quantity.Usage(busiest, 1)))
			part = usage(s, total)
			if short != "" && total > 0 {
				parts = append(parts, short+" "+quantity.Usage(s, total))
			}
		}
		t.row(name, seconds(s), part, txt(note))
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
	add(given(c.StealS >= total/100, "stolen"), "stolen", c.StealS, 0, "by the hypervisor, for other virtual machines")
	add("idle", "idle", c.IdleS, 0, "")
	if c.NotRead != "" {
		t.row("machine", document.Absent("not read: "+c.NotRead))
	}
	if c.WorkersNotRead != "" {
		t.row("workers", document.Absent("not read: "+c.WorkersNotRead))
	}
	if total > 0 {
		if !c.SharesTell() {
			parts = append(parts, "too short to tell shares by ticks of 10 ms")
		}
		s.Lead = join(": ", fmt.Sprintf("%s x %s = %s", number(c.CPUs, "CPU", "CPUs"), quantity.Seconds(c.ElapsedS), quantity.Seconds(total)), strings.Join(parts, ", "))
	}
	s.note(given(run.Sandbox.Topology != "" || run.Server != nil, "Both ends are on this host. The kernel charges the receiver's softirq work to whoever sends, so the split "+
		"between load and server shows who ran it, not whose work it was."))
	if psi != nil && (psi.CPUSomeS > 0 || psi.MemorySomeS > 0 || psi.IOSomeS > 0) {
		s.note("stalls of the whole host (PSI, some): CPU " + quantity.Seconds(psi.CPUSomeS) + ", memory " + quantity.Seconds(psi.MemorySomeS) + ", I/O " + quantity.Seconds(psi.IOSomeS))
	}
	return s
}
