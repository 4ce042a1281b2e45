// Package preset has questions about TCP that a sweep answers: what it varies, under which load, what the kernel's code lets expect, and what to
// conclude. It is pure, and so is Judge: package grid has the runs.
//
// Every experiment is small. A narrow port range and a low rate show the same law as a host's 28,232 ports and thousands of connections per
// second, and leave the CPUs idle, so that runs go side by side. What takes time is TIME_WAIT, which lasts for a minute.
package preset

import (
	"fmt"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sweep"
)

// Preset is a question.
type Preset struct {
	Name, Question string
	// About says what the kernel does, and how the sweep shows it.
	About string
	// Vary has the values of --vary, Flags those of other flags of sweep: rate=300. Blocks is how often each cell runs.
	Vary, Flags []string
	Blocks      int

	// predict lists what a cell's runs should show.
	predict func(c cell) []prediction
	// answer is the sentence if all is as predicted.
	answer func(o *observed) string
}

// prediction bounds a metric of every run of a cell.
type prediction struct {
	metric  string
	lo      float64
	hi      float64 // 0: nothing bounds it, if lo is above 0
	because string
}

// cell is what a prediction depends on: the levels of the factors, by their keys without net.ipv4. or net.core., and the host.
type cell struct {
	levels map[string]string
	hz     int
	cpus   int
}

// Names lists the presets.
func Names() (names []string) {
	for _, p := range All() {
		names = append(names, p.Name)
	}
	return names
}

// Named finds a preset.
func Named(name string) (p Preset, known bool) {
	all := All()
	if i := slices.IndexFunc(all, func(p Preset) bool { return p.Name == name }); i >= 0 {
		return all[i], true
	}
	return p, false
}

// Metrics lists the metrics that answer the question, the most important one first.
func (p *Preset) Metrics() (names []string) {
	for _, v := range p.grid() {
		for _, q := range p.predict(cell{levels: v, hz: 250, cpus: 1}) {
			if !slices.Contains(names, q.metric) {
				names = append(names, q.metric)
			}
		}
	}
	return names
}

// grid lists the levels of the cells.
func (p *Preset) grid() []map[string]string {
	cells := []map[string]string{{}}
	for _, v := range p.Vary {
		key, levels, _ := strings.Cut(v, "=")
		var next []map[string]string
		for _, c := range cells {
			for level := range strings.SplitSeq(levels, ",") {
				more := map[string]string{key: level}
				for k, l := range c {
					more[k] = l
				}
				next = append(next, more)
			}
		}
		cells = next
	}
	return cells
}

// judge compares the record of the preset's sweep with what is known of the kernel, and answers the question.
func (p *Preset) judge(run *record.Run) *record.SweepPreset {
	s := run.Sweep
	out := &record.SweepPreset{Name: p.Name, Question: p.Question, Predictions: []record.SweepPrediction{}}
	o := &observed{sweep: s, host: record.Host{}}
	if len(run.Hosts) > 0 {
		o.host = run.Hosts[0]
	}
	for i := range s.Cells {
		for _, q := range p.predict(o.cell(i)) {
			out.Predictions = append(out.Predictions, judge(s, i, q))
		}
	}
	o.predictions = out.Predictions
	out.Result, out.Answer = o.conclude(p)
	return out
}

// Answer adds to a record what judge says of it. A sweep that gives the question no answer is not valid: the runs may be, but nothing follows from them
// for what was asked.
func (p *Preset) Answer(run *record.Run) {
	out := p.judge(run)
	run.Sweep.Preset = out
	if out.Result != record.PresetAsPredicted {
		run.Verdict.Valid = false
		run.Verdict.Reasons = append(run.Verdict.Reasons, out.Answer)
	}
}

// judge compares a prediction with the runs of its cell.
func judge(s *record.Sweep, cell int, q prediction) record.SweepPrediction {
	v := record.SweepPrediction{Cell: cell, Metric: q.metric, Lo: q.lo, Because: q.because, Result: record.PresetUnanswered}
	if q.hi > 0 || q.lo == 0 {
		v.Hi = &q.hi
	}
	if m, err := sweep.Metric(q.metric); err == nil {
		v.Unit = string(m.Unit)
	}
	for i := range s.Runs {
		r := &s.Runs[i]
		got, known := valueOf(r, q.metric)
		if r.Cell != cell || r.Error != "" || !known {
			continue
		}
		if v.N == 0 {
			v.Min, v.Max, v.Result = got, got, record.PresetAsPredicted
		}
		v.N, v.Min, v.Max = v.N+1, min(v.Min, got), max(v.Max, got)
		switch {
		case got >= v.Lo && (v.Hi == nil || got <= *v.Hi):
		case r.Values[late] <= mostLateUs && !q.late(got, r.Values[late]):
			v.Result = record.PresetOtherwise
		case v.Result == record.PresetAsPredicted:
			v.Result = record.PresetBusy
		}
	}
	return v
}

// late reports whether connections that began late explain a value beyond the bounds.
func (q *prediction) late(got, lateUs float64) bool {
	by := begins[q.metric] * lateUs / 1e6
	return got >= q.lo-by && (q.hi == 0 && q.lo > 0 || got <= q.hi+by)
}

// A load whose connections began later than that is not the one that the prediction is of.
const (
	late       = "lag.max"
	mostLateUs = 200_000
)

// valueOf reads a metric of a run. A search may find no rate.
func valueOf(r *record.SweepRun, name string) (v float64, known bool) {
	if name != sweep.FoundRate {
		v, known = r.Values[name]
		return v, known
	}
	if r.Found == nil || r.Found.PerS == 0 {
		return 0, false
	}
	return r.Found.PerS, true
}

// observed is what a sweep saw.
type observed struct {
	sweep       *record.Sweep
	host        record.Host
	predictions []record.SweepPrediction
}

// cell describes the cell with that index.
func (o *observed) cell(i int) cell {
	c := cell{levels: make(map[string]string), hz: o.host.HZ, cpus: max(o.host.CPUs, 1)}
	for f, level := range o.sweep.Cells[i].Levels {
		c.levels[short(o.sweep.Factors[f].Key)] = level
	}
	return c
}

// short is a sysctl without its directories.
func short(key string) string {
	if strings.HasPrefix(key, "net.") {
		return key[strings.LastIndexByte(key, '.')+1:]
	}
	return key
}

// conclude answers the question.
func (o *observed) conclude(p *Preset) (result, answer string) {
	var wrong, missing []string
	busy := false
	for i := range o.predictions {
		switch v := &o.predictions[i]; v.Result {
		case record.PresetOtherwise:
			wrong = append(wrong, fmt.Sprintf("%s of %s is %s, and was predicted to be %s", v.Metric, o.name(v.Cell), Seen(v), Predicted(v)))
		case record.PresetBusy:
			busy = true
		case record.PresetUnanswered:
			if name := o.name(v.Cell); !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
		}
	}
	switch {
	case len(wrong) > 1:
		return record.PresetOtherwise, fmt.Sprintf("not as predicted: %s; and %s more", wrong[0], quantity.Count(int64(len(wrong)-1)))
	case len(wrong) == 1:
		return record.PresetOtherwise, "not as predicted: " + wrong[0]
	case busy:
		return record.PresetBusy, fmt.Sprintf("cannot tell: other programs kept the CPUs busy, so that connections began up to %s late: run it again", quantity.Micros(o.latest()))
	case len(missing) > 0:
		return record.PresetUnanswered, "not answered: there is no result of " + strings.Join(missing, ", ")
	}
	return record.PresetAsPredicted, p.answer(o)
}

// latest is how late a connection began, in microseconds.
func (o *observed) latest() (us float64) {
	for i := range o.sweep.Runs {
		us = max(us, o.sweep.Runs[i].Values[late])
	}
	return us
}

// name is a cell in words.
func (o *observed) name(i int) string {
	var all []string
	for f, level := range o.sweep.Cells[i].Levels {
		all = append(all, short(o.sweep.Factors[f].Key)+"="+level)
	}
	return strings.Join(all, " ")
}

// of is the smallest value of a metric in the first cell with these levels, each KEY=LEVEL, and that in words.
func (o *observed) of(metric string, levels ...string) (v float64, words string) {
	for i := range o.predictions {
		q := &o.predictions[i]
		have := o.cell(q.Cell).levels
		other := func(l string) bool {
			key, level, _ := strings.Cut(l, "=")
			return have[key] != level
		}
		if q.Metric == metric && !slices.ContainsFunc(levels, other) {
			return q.Min, inUnit(q.Unit, q.Min)
		}
	}
	return 0, "?"
}
