package report

import (
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// cpuPicture splits the CPU time of the machine twice: by who had it, and by what it was spent on.
func cpuPicture(run *record.Run) *document.Picture {
	c := &run.Pressure.CPU
	total := float64(c.CPUs) * c.ElapsedS
	if total <= 0 || !c.SharesTell() || c.NotRead != "" {
		return nil
	}
	p := &document.Picture{
		ID: "p-cpu", Title: "CPU time", Form: document.Bars, X: document.Axis{Name: "split"}, Y: document.Axis{Unit: document.Seconds},
		Desc: "CPU seconds of " + number(c.CPUs, "CPU", "CPUs") + " in " + quantity.Seconds(c.ElapsedS) + ", by program and by kind of work.", Names: []string{"by program", "by kind of work"},
	}
	add := func(name string, hue int, programs, kinds float64) {
		programs, kinds = max(0, finite(programs)), max(0, finite(kinds))
		if programs > 0 || kinds > 0 {
			p.Curves = append(p.Curves, document.Curve{Name: name, Unit: document.Seconds, Hue: hue, Points: []float64{programs, kinds}})
		}
	}
	add("load's workers", 1, c.GeneratorS, 0)
	add("server's workers", 2, c.ServerS, 0)
	add("rest of this process", 4, c.ObserverS, 0)
	add("other programs, and the kernel by itself", 6, total-c.GeneratorS-c.ServerS-c.ObserverS-c.StealS-c.IdleS, 0)
	add("user", 5, 0, c.UserS)
	add("kernel", 3, 0, c.SystemS-c.SoftirqS)
	add("kernel, softirq", 8, 0, c.SoftirqS)
	add("stolen", 9, c.StealS, c.StealS)
	add("idle", 7, c.IdleS, c.IdleS)
	return p
}
