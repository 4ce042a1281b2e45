package report

import (
	"strings"

	"lastack/bench/metric"
	"lastack/bench/preset"
	"lastack/bench/record"
	"lastack/report/document"
)

// preset shows the question of a sweep, its answer, and for each cell what was predicted beside what was observed.
func (v *sweepView) preset() *section {
	p := v.sweep.Preset
	if p == nil {
		return nil
	}
	s := begin(document.First, "PRESET", join(": ", p.Name, p.Question))
	s.Tone = map[string]document.Tone{record.PresetAsPredicted: document.Good, record.PresetOtherwise: document.Bad}[p.Result]
	s.fact(document.First, "answer", p.Answer)
	var columns []string
	for _, f := range v.sweep.Factors {
		columns = append(columns, shortName(f.Key))
	}
	t := s.table(document.First, append(columns, "|metric", "predicted", "observed", "|result", "+runs", "lo", "hi", "min", "max")...)
	for c := len(columns) + 5; c < len(t.Columns); c++ {
		t.Columns[c].Level = document.Data
	}
	for i := range p.Predictions {
		t.Rows = append(t.Rows, v.prediction(&p.Predictions[i]))
	}
	why := document.List{Level: document.Detail, Name: "predicted"}
	for _, text := range reasons(p) {
		why.Findings = append(why.Findings, document.Finding{Sentence: text})
	}
	if len(why.Findings) > 0 {
		s.add(why)
	}
	return s
}

// behind leaves sections to the whole report: a preset has an answer of its own.
func behind(sections []*section) {
	for _, s := range sections {
		if s != nil {
			s.Level = document.Detail
		}
	}
}

// prediction is a row of the table.
func (v *sweepView) prediction(p *record.SweepPrediction) document.Row {
	row := document.Row{Level: document.First}
	for _, l := range v.sweep.Cells[p.Cell].Levels {
		row.Cells = append(row.Cells, document.Text(l))
	}
	word := map[string]string{record.PresetAsPredicted: "as predicted", record.PresetOtherwise: "OTHERWISE", record.PresetUnanswered: "no result", record.PresetBusy: "in doubt"}[p.Result]
	if p.Result == record.PresetOtherwise {
		row.Tone, row.Main = document.Bad, true
	}
	in := func(x float64) document.Value { return inUnit(metric.Unit(p.Unit), x) }
	predicted, observed := txt(preset.Predicted(p)), txt(preset.Seen(p))
	if p.Hi != nil && *p.Hi == p.Lo {
		predicted = in(p.Lo)
	}
	if p.N > 0 && p.Min == p.Max {
		observed = in(p.Min)
	}
	row.Cells = append(row.Cells, txt(p.Metric), predicted, observed, txt(word), count(p.N), in(p.Lo), nil, nil, nil)
	if p.Hi != nil {
		row.Cells[len(row.Cells)-3] = in(*p.Hi)
	}
	if p.N > 0 {
		row.Cells[len(row.Cells)-2], row.Cells[len(row.Cells)-1] = in(p.Min), in(p.Max)
	}
	return row
}

// reasons lists why what was predicted, each once, with the metrics.
func reasons(p *record.SweepPreset) (list []string) {
	var texts []string
	of := make(map[string][]string)
	for i := range p.Predictions {
		q := &p.Predictions[i]
		if _, known := of[q.Because]; !known {
			texts = append(texts, q.Because)
		}
		if m := of[q.Because]; !strings.Contains(" "+strings.Join(m, " ")+" ", " "+q.Metric+" ") {
			of[q.Because] = append(m, q.Metric)
		}
	}
	for _, text := range texts {
		list = append(list, join(": ", strings.Join(of[text], ", "), text))
	}
	return list
}
