package preset

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/bench/sweep"
	"lastack/sockstate"
)

// sweepOf is a sweep of the preset whose runs are in the middle of what is predicted.
func sweepOf(p *Preset, hz int) *record.Run {
	s := &record.Sweep{Blocks: 1}
	for _, v := range p.Vary {
		key, levels, _ := strings.Cut(v, "=")
		f := record.Factor{Key: key, Levels: strings.Split(levels, ",")}
		if strings.HasPrefix(key, "tcp_") || strings.HasPrefix(key, "ip_") {
			f.Key = "net.ipv4." + key
		}
		if key == "ip_local_port_range" {
			for i := range f.Levels {
				f.Levels[i] = strings.Replace(f.Levels[i], "-", " ", 1)
			}
		}
		s.Factors = append(s.Factors, f)
	}
	for _, levels := range p.grid() {
		c := record.SweepCell{}
		for _, f := range s.Factors {
			level := levels[short(f.Key)]
			if !slices.Contains(f.Levels, level) {
				level = strings.Replace(level, "-", " ", 1)
			}
			c.Levels = append(c.Levels, level)
		}
		s.Cells = append(s.Cells, c)
	}
	run := &record.Run{Kind: record.KindSweep, Hosts: []record.Host{{HZ: hz, CPUs: 2}}, Sweep: s}
	o := &observed{sweep: s, host: run.Hosts[0]}
	for i := range s.Cells {
		r := record.SweepRun{Cell: i, Valid: true, Values: map[string]float64{}}
		for _, q := range p.predict(o.cell(i)) {
			v := q.lo
			if q.hi > q.lo {
				v = (q.lo + q.hi) / 2
			}
			if q.metric == sweep.FoundRate {
				r.Found = &record.FoundRate{LoPerS: v, PerS: v, HiPerS: v}
				continue
			}
			r.Values[q.metric] = v
		}
		s.Runs = append(s.Runs, r)
	}
	return run
}

// What the program is must be sound: known metrics, sentences, flags.
func TestPresets(t *testing.T) {
	sentence := regexp.MustCompile(`^[A-Z][^\n]*[?]$`)
	for _, p := range All() {
		if named, known := Named(p.Name); !known || named.Question != p.Question {
			t.Errorf("%s: not found by its name", p.Name)
		}
		if !sentence.MatchString(p.Question) || p.About == "" || p.Blocks < 1 || len(p.Metrics()) == 0 {
			t.Errorf("%s: %+v", p.Name, p)
		}
		for _, name := range p.Metrics() {
			if _, err := sweep.Metric(name); err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		}
		for _, f := range slices.Concat(p.Vary, p.Flags) {
			if name, value, ok := strings.Cut(f, "="); !ok || name == "" || value == "" {
				t.Errorf("%s: flag %q", p.Name, f)
			}
		}
	}
	if _, known := Named("none"); known {
		t.Error("found what does not exist")
	}
	want := []string{"tw-reuse", "port-range", "sources", "close-policy", "fin-timeout", "tw-buckets", "backlog", "timestamps"}
	if d := cmp.Diff(want, Names()); d != "" {
		t.Error(d)
	}
}

// The truths, at CONFIG_HZ=250 and two CPUs.
func TestPredictions(t *testing.T) {
	inf := math.Inf(1)
	for _, tt := range []struct {
		preset, cell, metric string
		lo, hi               float64
	}{
		// tcp_fin_timeout leaves TIME_WAIT alone, and ends orphans in FIN_WAIT_2.
		{"fin-timeout", "tcp_fin_timeout=60 on-eof=close", waiting, 3091, 3106},
		{"fin-timeout", "tcp_fin_timeout=5 on-eof=close", waiting, 3091, 3106},
		{"fin-timeout", "tcp_fin_timeout=5 on-eof=never", orphaned, 259, 266},
		{"fin-timeout", "tcp_fin_timeout=15 on-eof=never", orphaned, 759, 766},
		{"fin-timeout", "tcp_fin_timeout=5 on-eof=never", waiting, 0, 0},
		// tcp_tw_reuse=2 is for loopback. With 1, a port serves 20 times and more.
		{"tw-reuse", "tcp_tw_reuse=0 topology=veth", completed, 1000, 1000},
		{"tw-reuse", "tcp_tw_reuse=2 topology=veth", completed, 1000, 1000},
		{"tw-reuse", "tcp_tw_reuse=2 topology=veth", reused, 0, 0},
		{"tw-reuse", "tcp_tw_reuse=2 topology=lo", reused, 11_167, 21_000},
		{"tw-reuse", "tcp_tw_reuse=1 topology=veth", completed, 11_667, 21_000},
		// N ports bear N/61.02 connections/s; the rate is linear in ports and in addresses.
		{"port-range", "ip_local_port_range=20000 20999", sweep.FoundRate, 0.99 * 1000 / 61.024, 1.01 * 1000 / 61.024},
		{"port-range", "ip_local_port_range=20000 21999", sweep.FoundRate, 0.99 * 2000 / 61.024, 1.01 * 2000 / 61.024},
		{"sources", "sources=4", sweep.FoundRate, 0.99 * 2000 / 61.024, 1.01 * 2000 / 61.024},
		// An RST, and a server that closes first, take the limit away.
		{"close-policy", "close=client:fin", completed, 500, 500},
		{"close-policy", "close=client:rst", completed, 3000, 3000},
		{"close-policy", "close=server:fin", completed, 3000, 3000},
		{"close-policy", "close=server:rst", entered, 0, 0},
		// tcp_max_tw_buckets is a cap, within a few, and every overflow is counted.
		{"tw-buckets", "tcp_max_tw_buckets=500", entered, 500, 502},
		{"tw-buckets", "tcp_max_tw_buckets=500", overflow, 2498, 2500},
		{"tw-buckets", "tcp_max_tw_buckets=500", balanced, 0, 0},
		{"tw-buckets", "tcp_max_tw_buckets=100000", overflow, 0, 0},
		// Without timestamps nothing is reused.
		{"timestamps", "tcp_timestamps=0", reused, 0, 0},
		{"timestamps", "tcp_timestamps=1", reused, 1167, 3000},
		// somaxconn caps the backlog.
		{"backlog", "backlog=4096 somaxconn=16", overflows, 1, inf},
		{"backlog", "backlog=16 somaxconn=4096", connect, 1e6, inf},
		{"backlog", "backlog=4096 somaxconn=4096", overflows, 0, 0},
	} {
		p, _ := Named(tt.preset)
		run := sweepOf(&p, 250)
		o := &observed{sweep: run.Sweep, host: run.Hosts[0]}
		got := p.judge(run).Predictions
		i := slices.IndexFunc(got, func(q record.SweepPrediction) bool { return q.Metric == tt.metric && o.name(q.Cell) == tt.cell })
		if i < 0 {
			t.Errorf("%s: %s of %s is not predicted", tt.preset, tt.metric, tt.cell)
			continue
		}
		hi := inf
		if got[i].Hi != nil {
			hi = *got[i].Hi
		}
		if math.Abs(got[i].Lo-tt.lo) > 1e-3 || hi != tt.hi && math.Abs(hi-tt.hi) > 1e-3 {
			t.Errorf("%s: %s of %s: %v to %v, want %v to %v", tt.preset, tt.metric, tt.cell, got[i].Lo, hi, tt.lo, tt.hi)
		}
	}
}

// Runs as predicted answer the question in a sentence, on any kernel. One run that disagrees does not, nor does a cell without runs.
func TestJudge(t *testing.T) {
	for _, p := range All() {
		for _, hz := range []int{0, 100, 250, 300, 1000} {
			run := sweepOf(&p, hz)
			got := p.judge(run)
			if got.Result != record.PresetAsPredicted || got.Answer == "" || strings.ContainsAny(got.Answer, "?\n") || strings.Contains(got.Answer, "NaN") {
				t.Errorf("%s at %d Hz: %+v", p.Name, hz, got)
			}
			if hz == 250 {
				t.Logf("%s: %s", p.Name, got.Answer)
			}
		}
		run := sweepOf(&p, 250)
		run.Verdict.Valid = true
		if p.Answer(run); !run.Verdict.Valid || run.Sweep.Preset == nil {
			t.Errorf("%s: an answer is not valid", p.Name)
		}
		r := &run.Sweep.Runs[len(run.Sweep.Runs)-1]
		first := p.Metrics()[0]
		if r.Found != nil {
			r.Found.PerS *= 1.03
		} else {
			r.Values[first] += 1e6
			for name := range r.Values {
				r.Values[name] -= 1e7
			}
		}
		if got := p.judge(run); got.Result != record.PresetOtherwise || !strings.HasPrefix(got.Answer, "not as predicted: ") {
			t.Errorf("%s: %+v", p.Name, got)
		}
		if r.Found != nil {
			r.Values = map[string]float64{}
		}
		r.Values[late] = 3e6
		if got := p.judge(run); got.Result != record.PresetBusy || !strings.Contains(got.Answer, "up to 3.00 s late") {
			t.Errorf("%s: %+v", p.Name, got)
		}
		if p.Answer(run); run.Verdict.Valid || !slices.Contains(run.Verdict.Reasons, run.Sweep.Preset.Answer) {
			t.Errorf("%s: no answer is valid: %+v", p.Name, run.Verdict)
		}
		r.Error = "it was killed"
		if got := p.judge(run); got.Result != record.PresetUnanswered || !strings.HasPrefix(got.Answer, "not answered: ") {
			t.Errorf("%s: %+v", p.Name, got)
		}
	}
}

// A port range bears the rate of its ports, and neither 2 % more nor less.
func TestSlope(t *testing.T) {
	for _, name := range []string{"port-range", "sources"} {
		p, _ := Named(name)
		for _, off := range []float64{0.979, 0.9935, 1, 1.021} { // 0.9935: ports are back when the wheel has turned, after 61.44 s
			run := sweepOf(&p, 250)
			for i := range run.Sweep.Runs {
				run.Sweep.Runs[i].Found.PerS *= off
			}
			if got, want := p.judge(run).Result == record.PresetAsPredicted, math.Abs(off-1) < 0.01; got != want {
				t.Errorf("%s: at %v of the predicted rate: as predicted %v", name, off, got)
			}
		}
	}
}

// On a kernel whose timers are coarser TIME_WAIT lasts longer, and the loads long enough.
func TestLongLoad(t *testing.T) {
	for _, hz := range []int{0, 100, 250, 300, 1000} {
		if life := sockstate.TimeWaitLasts(hz); life.Max.Seconds()+2*fewPorts/rate > longLoad-1 || life.Min.Seconds() < longLoad/2 {
			t.Errorf("%d Hz: %v", hz, life)
		}
	}
}

// The peaks that samples see are those of a timer wheel, whatever its phase: none is lower than predicted.
func TestLasting(t *testing.T) {
	for _, hz := range []int{100, 250, 300, 1000} {
		for _, d := range []time.Duration{5 * time.Second, 15 * time.Second, time.Minute} {
			lasts := sockstate.OrphanLasts(d, hz)
			bucket := (lasts.Max - lasts.Min).Seconds()
			p := lasting(orphaned, lasts, "")
			least, most := math.Inf(1), 0.0
			for phase := 0.0; phase < 1; phase += 0.05 {
				peak := 0.0
				for at := 0.0; at <= longLoad; at += finSampled.Seconds() {
					alive := 0.0
					for n := max(int((at-lasts.Max.Seconds())*finRate)-1, 0); n < int(at*finRate); n++ {
						began := float64(n) / finRate
						end := (math.Floor((began+d.Seconds())/bucket+phase) + 1 - phase) * bucket // calc_index
						if end > at {
							alive++
						}
					}
					peak = max(peak, alive)
				}
				least, most = min(least, peak), max(most, peak)
			}
			if least < p.lo || most > p.hi || p.hi-p.lo > finRate*0.7 {
				t.Errorf("%v at %d Hz: the most is from %v to %v, predicted are %v to %v", d, hz, least, most, p.lo, p.hi)
			}
		}
	}
	// A load that was late by a second may have 50 more at once, and 100 more are not its lateness.
	p, _ := Named("fin-timeout")
	for more, want := range map[float64]string{8: record.PresetBusy, 100: record.PresetOtherwise} {
		run := sweepOf(&p, 250)
		for i := range run.Sweep.Runs {
			if v := run.Sweep.Runs[i].Values; v[orphaned] > 0 {
				v[orphaned] += more
				v[late] = 150_000
			}
		}
		if got := p.judge(run); got.Result != want {
			t.Errorf("%v more: %s", more, got.Answer)
		}
	}
}
