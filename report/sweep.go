package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sweep"
	"lastack/report/document"
)

// sweepView is a sweep with what its runs say.
type sweepView struct {
	run   *record.Run
	sweep *record.Sweep
	// said is the analysis, empty if the record has none.
	said *record.SweepAnalysis
}

// sweepDocument is the report of a sweep: the answer, the cells, the effects, and then the rest.
func sweepDocument(run *record.Run) *document.Document {
	v := &sweepView{run: run, sweep: run.Sweep, said: run.Sweep.Analysis}
	if v.said == nil {
		v.said = &record.SweepAnalysis{}
	}
	sections := []*section{v.answer(), v.pictures()}
	for i := range v.said.Metrics {
		sections = append(sections, v.metric(i)...)
	}
	sections = append(sections, v.limits(), v.searches(), v.runs())
	if run.Sweep.Preset != nil {
		behind(sections)
	}
	d := build(title(run), v.what(), run.Warnings, slices.Concat([]*section{v.asked(), v.preset(), warnings()}, sections)...)
	if slices.ContainsFunc(d.Sections, func(s document.Section) bool { return s.ID == cellsID }) {
		d.Table = cellsID
	}
	return d
}

// shortName is a sysctl's name without its directories.
func shortName(key string) string {
	if strings.HasPrefix(key, "net.") {
		return key[strings.LastIndexByte(key, '.')+1:]
	}
	return key
}

func (v *sweepView) what() string {
	var names []string
	for _, f := range v.sweep.Factors {
		names = append(names, shortName(f.Key))
	}
	about := "vary " + some(names, 4)
	if v.sweep.Find != "" {
		about += ", find the highest rate sustained"
	}
	return about + ": " + number(len(v.sweep.Cells), "cell", "cells") + " in " + number(v.sweep.Blocks, "block", "blocks")
}

func (v *sweepView) asked() *section {
	r, s := v.run, v.sweep
	out := &section{document.Section{ID: "asked", Level: document.First}}
	if r.Interrupted {
		out.add(document.Note{Level: document.First, Tone: document.Bad, Doubt: true, Text: "INTERRUPTED after " + quantity.Seconds(r.ElapsedS) + ": what follows is of " + number(len(s.Runs), "run", "runs")})
	}
	load := what(&r.Plan)
	if s.Find != "" {
		load = "as many new connections/s as it sustains" + strings.TrimPrefix(load, "0 connections at a time (closed loop)")
	}
	out.fact(document.First, "load", load)
	out.fact(document.First, "where", where(r.Sandbox))
	var set []string
	for _, k := range keys(r.Sandbox.Sysctls) {
		if !slices.ContainsFunc(s.Factors, func(f record.Factor) bool { return f.Key == k }) {
			set = append(set, k+"=\""+r.Sandbox.Sysctls[k]+"\"")
		}
	}
	out.fact(document.First, "set", strings.Join(set, ", "))
	for _, f := range s.Factors {
		out.fact(document.First, "vary", shortName(f.Key)+" = "+strings.Join(f.Levels, ", "))
	}
	out.fact(document.First, "base", base(&s.Base))
	for _, key := range keys(s.Base.Refused) {
		out.fact(document.Detail, "refused", key+": "+s.Base.Refused[key])
	}
	if s.Find != "" && (s.Allow > 0 || len(s.Thresholds) > 0) {
		out.fact(document.First, "sustained", join(", ", "if "+given(s.Allow == 0, "none fails")+given(s.Allow > 0, fmt.Sprintf("at most %.3g %% fail", 100*s.Allow)), strings.Join(s.Thresholds, ", ")))
	}
	if s.Scale > 0 && s.Scale < 1 {
		out.fact(document.First, "scaled", fmt.Sprintf("port range, buckets and rate to 1/%.4g", 1/s.Scale))
	}
	out.fact(document.Detail, "order", fmt.Sprintf("seed %d, at most %s side by side, expected to take %s", s.Seed, number(s.Parallel, "run", "runs"), quantity.Seconds(s.ExpectedS)))
	for i := range r.Hosts {
		out.fact(document.Detail, "host", host(&r.Hosts[i]))
	}
	out.fact(document.Detail, "run", when(r))
	if c := r.Plan.Command; len(c) > 0 {
		out.add(document.Fact{Name: "command", Text: shell(c), Command: true})
	}
	return out
}

// base says what the sandboxes' sysctls start from.
func base(b *record.SweepBase) string {
	from := map[string]string{"host": "this host's sysctls", "default": "the kernel's defaults", "file": b.File}[b.From]
	from = cmp.Or(from, b.From)
	if n := len(b.Sysctls); n > 0 {
		from += ", of which " + number(n, "differs", "differ") + " from a fresh namespace's"
	}
	if n := len(b.Refused); n > 0 {
		from += "; " + number(n, "was refused", "were refused") + " here"
	}
	return from
}

// answer says in a sentence or two what came of it. The answer of a preset is another: to its question.
func (v *sweepView) answer() *section {
	title := "ANSWER"
	if v.sweep.Preset != nil {
		title = "DIFFERENCES"
	}
	s := begin(document.First, title, "")
	switch a := v.said; {
	case v.sweep.Analysis == nil:
		s.Lead, s.Tone = "not analysed: the record has only the runs", document.Bad
		return s
	case a.Result == record.SweepDiffers:
		s.Lead, s.Tone = v.claims(), document.Good
	case a.Result == record.SweepCannotTell:
		s.Lead, s.Tone = "cannot tell: two runs of one and the same cell differ as well", document.Bad
	case a.Result == record.SweepTooFew:
		s.Lead = "cannot tell: too few runs to tell any difference from noise"
	default:
		s.Lead = "nothing that was varied has an effect"
		if len(a.Metrics) > 0 {
			s.Lead += " on " + a.Metrics[0].Metric + " that stands out from noise" + v.excluded()
		}
	}
	s.say(document.First, v.rest())
	s.say(document.First, v.apart())
	doubt := document.List{Level: document.First, Name: "doubt"}
	for _, f := range v.said.Findings {
		doubt.Findings = append(doubt.Findings, document.Finding{Code: f.Code, Args: f.Args, Sentence: sweep.Sentence(f)})
	}
	if len(doubt.Findings) > 0 {
		s.add(doubt)
	}
	if p := v.said.P; p != nil {
		s.note(fmt.Sprintf("%s at once, corrected by Holm's procedure; if nothing had an effect, the chance of as much by shuffling is %s, and nothing is claimed above %g %%",
			number(v.said.Tests, "difference was tested", "differences were tested"), quantity.Share(*p, 1), 100*v.said.Alpha))
	}
	return s
}

// claims lists the largest claims of the metric that the sweep is about: of factors, or of cells if effects depend on each other.
func (v *sweepView) claims() string {
	a := v.said
	first := a.Claims[0].Metric
	lists := make(map[string][]record.SweepClaim)
	for _, c := range a.Claims {
		if c.Metric == first {
			lists[c.List] = append(lists[c.List], c)
		}
	}
	of := lists[record.SweepEffects]
	if len(lists[record.SweepPairs]) > 0 || len(of) == 0 {
		of = lists[record.SweepCells]
	}
	if len(of) == 0 {
		of = lists[record.SweepPairs]
	}
	slices.SortStableFunc(of, func(x, y record.SweepClaim) int { return cmp.Compare(howLarge(a.At(y)), howLarge(a.At(x))) })
	var words []string
	for _, c := range of[:min(3, len(of))] {
		words = append(words, v.claim(c))
	}
	return a.Metrics[first].Metric + ": " + strings.Join(words, "; ") + given(len(of) > 3, fmt.Sprintf("; and %d more", len(of)-3))
}

// howLarge orders differences: on a scale on which half and double are the same.
func howLarge(d *record.SweepDifference) float64 {
	if d.Difference == nil {
		return 0
	}
	if *d.Difference > -1 {
		return math.Abs(math.Log1p(*d.Difference))
	}
	return math.Abs(*d.Difference)
}

// claim says what a difference is of, and how large it is.
func (v *sweepView) claim(c record.SweepClaim) string {
	m, d := &v.said.Metrics[c.Metric], v.said.At(c)
	var name string
	switch c.List {
	case record.SweepCells:
		name = v.changed(c.Index)
	case record.SweepEffects:
		name = v.levels(m.Effects[c.Index].Of)
	default:
		name = v.levels(m.Pairs[c.Index].Of) + " beyond each by itself"
	}
	return name + " " + sweepChange(m, d) + " " + sweepWithin(m, d) + " (" + d.Result + ")"
}

// excluded says which differences the intervals of the first metric leave room for.
func (v *sweepView) excluded() string {
	m := &v.said.Metrics[0]
	if !m.Log {
		return ""
	}
	lo, hi, some := 0.0, 0.0, false
	for _, e := range m.Effects {
		if e.Lo != nil && e.Hi != nil {
			lo, hi, some = min(lo, *e.Lo), max(hi, *e.Hi), true
		}
	}
	return given(some, ": with 95 % confidence each level changes it by "+percent(lo)+" to "+percent(hi))
}

// rest says what is claimed besides the lead.
func (v *sweepView) rest() string {
	a := v.said
	if len(a.Claims) == 0 {
		return ""
	}
	first := a.Claims[0].Metric
	var others []string
	pairs := 0
	for _, c := range a.Claims {
		if c.Metric == first && c.List == record.SweepPairs {
			pairs++
		}
		if name := a.Metrics[c.Metric].Metric; c.Metric != first && !slices.Contains(others, name) {
			others = append(others, name)
		}
	}
	return join("; ", given(pairs > 0, "effects depend on each other, see below"), given(len(others) > 0, "also "+some(others, 4)+" (-v)"))
}

// apart lists what is apart in all runs and yet not claimed.
func (v *sweepView) apart() string {
	if len(v.said.Claims) > 0 || len(v.said.Metrics) == 0 {
		return ""
	}
	m := &v.said.Metrics[0]
	var all []string
	for c := range m.Cells {
		if d := &m.Cells[c]; d.Result == record.SweepApart {
			all = append(all, v.changed(c)+" "+sweepChange(m, d))
		}
	}
	return given(len(all) > 0, "apart in every run, but those are too few to be sure: "+some(all, 3))
}

// cell names a cell by its levels.
func (v *sweepView) cell(i int) string {
	var all []string
	for f, level := range v.sweep.Cells[i].Levels {
		all = append(all, shortName(v.sweep.Factors[f].Key)+"="+level)
	}
	return strings.Join(all, " ")
}

// changed names a cell by the levels that are not the base's.
func (v *sweepView) changed(i int) string {
	var all []string
	for f, level := range v.sweep.Cells[i].Levels {
		if level != v.sweep.Cells[0].Levels[f] {
			all = append(all, shortName(v.sweep.Factors[f].Key)+"="+level)
		}
	}
	return strings.Join(all, " ")
}

func (v *sweepView) levels(of []record.SweepFactorLevel) string {
	var all []string
	for _, l := range of {
		f := &v.sweep.Factors[l.Factor]
		all = append(all, shortName(f.Key)+"="+f.Levels[l.Level])
	}
	return strings.Join(all, " with ")
}

// sweepChange prints a difference.
func sweepChange(m *record.SweepMetric, d *record.SweepDifference) string {
	if d.Difference == nil {
		return ""
	}
	return changeWords(m, *d.Difference, *d.Difference)
}

// asFactor is the relative difference from which on ratios are shown: x2.00 and not +100%.
const asFactor = 0.9

// rounding is the part of a value that sums of other values may be wrong by.
const rounding = 1e-12

// changeWords prints v like a difference of d.
func changeWords(m *record.SweepMetric, v, d float64) string {
	switch {
	case m.Log && d >= asFactor:
		return factor(1 + v)
	case m.Log:
		return percent(v)
	case math.Abs(v) <= rounding*m.Levels[0].Max:
		return "none"
	}
	return signed(metric.Unit(m.Unit), v)
}

// factor prints a ratio with three digits.
func factor(v float64) string {
	digits := 0
	for bound := 100.0; digits < 2 && v < bound; bound /= 10 {
		digits++
	}
	return "x" + strconv.FormatFloat(v, 'f', digits, 64)
}

// sweepWithin prints its interval in the same way.
func sweepWithin(m *record.SweepMetric, d *record.SweepDifference) string {
	if d.Difference == nil || d.Lo == nil || d.Hi == nil || d.Result == record.SweepEqual {
		return ""
	}
	if *d.Lo == *d.Hi {
		return "" // every block has the same
	}
	return between(changeWords(m, *d.Lo, *d.Difference), changeWords(m, *d.Hi, *d.Difference))
}

// sweepWord is what a table says of a difference.
func sweepWord(m *record.SweepMetric, d *record.SweepDifference) string {
	switch d.Result {
	case record.SweepNoise:
		if m.Twin != nil && m.Twin.Result == record.SweepChanged {
			return "?"
		}
		return "~"
	case record.SweepEqual:
		return "="
	case record.SweepDoubt:
		return "in doubt"
	case record.SweepUntested, "":
		return ""
	}
	return d.Result
}
