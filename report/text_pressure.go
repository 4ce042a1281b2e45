package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// pressure is how close the run came to the limits around it.
func (t *text) pressure() {
	p := t.run.Pressure
	tab := table{indent: "  ", first: 17, cell: 9, notes: true}
	tab.row("", "peak", "limit", "used", "")
	gauge := func(name string, peak, limit int64, print func(int64) string, note string) {
		if peak <= 0 {
			return
		}
		if limit <= 0 {
			tab.row(name, print(peak), "", "", note)
			return
		}
		tab.row(name, print(peak), print(limit), usage(float64(peak), float64(limit)), note)
	}
	note := strings.Join(strings.Fields(p.Ports.Range), "-")
	switch full, level := quantity.Seconds(p.Ports.ExhaustedInS), quantity.Count(int64(p.Ports.LevelsOffAt)); {
	case p.Ports.ExhaustedInS > 0 && p.Ports.PeakInUse >= p.Ports.Available:
		note = join("; ", note, "full after "+full)
	case p.Ports.ExhaustedInS > 0 && p.Ports.MaySlow:
		note = join("; ", note, "if it goes on, full after "+full+" at the earliest: connect may get slower")
	case p.Ports.ExhaustedInS > 0:
		note = join("; ", note, "at this rate full after "+full)
	case p.Ports.LevelsOffAt > p.Ports.PeakInUse && p.Ports.MaySlow:
		note = join("; ", note, "if it goes on, levels off at "+level+" at the most: connect may get slower")
	case p.Ports.LevelsOffAt > p.Ports.PeakInUse:
		note = join("; ", note, "at this rate levels off at "+level)
	}
	gauge("local ports", int64(p.Ports.PeakInUse), int64(p.Ports.Available), quantity.Count, note)
	if len(p.Pairs) > 0 {
		byUse := func(a, b record.PortPair) int { return cmp.Compare(a.PeakInUse, b.PeakInUse) }
		fullest := slices.MaxFunc(p.Pairs, byUse)
		note := fullest.Source + " > " + fullest.Destination
		if n := len(p.Pairs); n > 1 {
			note = fmt.Sprintf("fullest of %d pairs: %s; the emptiest had %s", n, note, quantity.Count(int64(slices.MinFunc(p.Pairs, byUse).PeakInUse)))
		}
		tab.row("  " + note)
	}
	gauge("descriptors", int64(p.Fds.Peak), p.Fds.Limit, quantity.Count, "of this process")
	gauge("descriptors", int64(p.Fds.ServerPeak), 0, quantity.Count, "of the server")
	gauge("open files", p.Files.Peak, p.Files.Limit, quantity.Count, "of the whole host")
	gauge("accept queue", int64(p.AcceptQueuePeak), int64(p.Backlog), quantity.Count, "")
	gauge("TIME_WAIT buckets", p.TWBuckets.Peak, p.TWBuckets.Limit, quantity.Count, "")
	gauge("orphans", p.Orphans.Peak, p.Orphans.Limit, quantity.Count, "of the whole host")
	if p.Conntrack != nil {
		gauge("conntrack", p.Conntrack.Peak, p.Conntrack.Limit, quantity.Count, "")
	}
	gauge("TCP buffers", p.Memory.TCPPeakBytes, p.Memory.TCPLimitBytes, quantity.Bytes, "of the whole host, limit is tcp_mem")
	slabs, process := "growth over the run", "resident, peak"
	if n := t.run.Needs; n != nil && n.Connections >= manyConnections {
		slabs += "; " + quantity.Bytes(n.KernelBytes) + " expected"
		process += "; " + quantity.Bytes(n.ProcessBytes) + " expected"
	}
	gauge("socket slabs", p.Memory.SlabPeakBytes, 0, quantity.Bytes, slabs)
	gauge("this process", p.Memory.RSSPeakBytes, 0, quantity.Bytes, process)
	gauge("the server", p.Memory.ServerRSSPeakBytes, 0, quantity.Bytes, "resident, peak")
	parts := []string{
		"pressure.ports", "pressure.port_pairs", "pressure.fds", "pressure.memory", "pressure.accept_queue_peak", "pressure.backlog",
		"pressure.orphans", "pressure.tw_buckets", "pressure.conntrack", "pressure.files",
	}
	if len(tab.rows) > 1 || t.concerns(parts...) {
		t.section("PRESSURE", "")
	}
	if len(tab.rows) > 1 {
		tab.write(&t.page)
	}
	t.beside(parts...)
}

// cpu splits the CPU time of the machine and of this process.
func (t *text) cpu() {
	c := t.run.Pressure.CPU
	psi := t.run.Pressure.PSI
	parts := []string{"pressure.cpu", "pressure.psi", "pressure"}
	if c == (record.CPU{}) && psi == nil {
		t.beside(parts...)
		return
	}
	total := float64(c.CPUs) * c.ElapsedS
	aside := ""
	if total > 0 {
		aside = fmt.Sprintf("%s x %d %s = %s of CPU time", quantity.Seconds(c.ElapsedS), c.CPUs, quantity.Plural(c.CPUs, "CPU", "CPUs"), quantity.Seconds(total))
		if !c.SharesTell() {
			aside += ": too short to tell shares by ticks of 10 ms"
		}
	}
	t.section("CPU", aside)
	tab := table{indent: "  ", first: 22, cell: 10, notes: true}
	row := func(name string, s, busiest float64, note string) {
		if s <= 0 {
			return
		}
		if !c.SharesTell() {
			tab.row(name, quantity.Seconds(s), "", note)
			return
		}
		if busiest > 0 {
			note = join("; ", note, "busiest thread "+usage(busiest, 1))
		}
		tab.row(name, quantity.Seconds(s), usage(s, total), note)
	}
	row("load's workers", c.GeneratorS, c.GeneratorBusiest, "")
	row("server's workers", c.ServerS, c.ServerBusiest, "")
	row("rest of this process", c.ObserverS, 0, "the observers and the runtime")
	row("machine, kernel", c.SystemS, 0, "softirq included")
	row("  of it softirq", c.SoftirqS, 0, "")
	row("machine, user", c.UserS, 0, "")
	row("stolen", c.StealS, 0, "by the hypervisor: these were not ours to use")
	row("idle", c.IdleS, 0, "")
	if c.NotRead != "" {
		tab.row("machine", "not read", "", c.NotRead)
	}
	if c.WorkersNotRead != "" {
		tab.row("workers", "not read", "", c.WorkersNotRead)
	}
	tab.write(&t.page)
	if t.run.Sandbox.Topology != "" || t.run.Server != nil {
		t.hang("  ", "Both ends are on this host: the kernel runs the receiver's softirq work in whoever sends, so the split "+
			"between load and server shows who ran it, not whose work it was.")
	}
	if psi != nil && (psi.CPUSomeS > 0 || psi.MemorySomeS > 0 || psi.IOSomeS > 0) {
		t.hang("  ", "stalls of the whole host (PSI, some): CPU "+quantity.Seconds(psi.CPUSomeS)+", memory "+quantity.Seconds(psi.MemorySomeS)+", I/O "+quantity.Seconds(psi.IOSomeS))
	}
	t.beside(parts...)
}
