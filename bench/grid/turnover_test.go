package grid

import (
	"container/heap"
	"fmt"
	"math"
	"testing"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
)

// ports simulates the local ports of a client that closes first: each is free again when the timer wheel turns after 60 s, as in the kernel.
type ports struct {
	free    int
	turn    float64 // of the wheel, in seconds
	phase   float64
	waiting ends
}

type ends []float64

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i] < e[j] }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(v any)        { *e = append(*e, v.(float64)) }
func (e *ends) Pop() any          { old := *e; v := old[len(old)-1]; *e = old[:len(old)-1]; return v }

// connect takes a port at a time, if there is one.
func (p *ports) connect(t float64) bool {
	for len(p.waiting) > 0 && p.waiting[0] <= t {
		heap.Pop(&p.waiting)
		p.free++
	}
	if p.free == 0 {
		return false
	}
	p.free--
	due := (t + 60 + p.phase) / p.turn
	heap.Push(&p.waiting, math.Ceil(due)*p.turn-p.phase)
	return true
}

// drive connects at a rate, and returns the timeline and the number of failures.
func (p *ports) drive(rate, lasts, interval float64) (timeline []record.Interval, failed int64) {
	iv := record.Interval{TS: interval}
	for i := 0; ; i++ {
		t := float64(i) / rate
		for t >= iv.TS {
			timeline = append(timeline, iv)
			iv = record.Interval{TS: iv.TS + interval}
		}
		if t > lasts {
			return timeline, failed
		}
		if p.connect(t) {
			iv.Completed++
		} else {
			iv.Failed++
			failed++
		}
	}
}

// The bursts in which TIME_WAITs end give the rate of ports / 61.02 s within 1 %, however the load and the kernel's timer wheel stand to each
// other, for each CONFIG_HZ with a longest life of its own; and just below it nothing fails.
func TestTurnover(t *testing.T) {
	for _, hz := range []int{250, 1000, 300} {
		life := sockstate.TimeWaitLasts(hz)
		turn := (life.Max - life.Min).Seconds()
		for _, n := range []int64{200, 1000, 5000, 28_231} {
			for phase := range 10 {
				p := pattern{ports: n, narrowed: 1, keeps: life}
				simulated := func() *ports { return &ports{free: int(n), turn: turn, phase: turn * float64(phase) / 10} }
				timeline, _ := simulated().drive(p.overdrive(), p.overdriven().Seconds(), p.sampled().Seconds())
				name := fmt.Sprintf("HZ=%d, %d ports, phase %d/10, %v/s", hz, n, phase, p.overdrive())
				got, ok := TurnoverOf(timeline, life, p.overdrive(), n)
				if !ok {
					t.Errorf("%s: no turnover", name)
					continue
				}
				want, within := float64(n)/life.Mean().Seconds(), 0.01
				if hz != 250 {
					within = (life.Max - life.Min).Seconds() / 2 / life.Mean().Seconds() * 1.05
				}
				if math.Abs(got.PerS/want-1) > within || got.ports != n {
					t.Errorf("%s: %d ports, %.4f/s in a cycle of %.3f s, want %d, %.4f/s", name, got.ports, got.PerS, got.cycleS, n, want)
				}
				below := float64(got.ports) / life.Max.Seconds() * justBelow
				if _, failed := simulated().drive(below, p.confirmed().Seconds()*3, 1); failed > 0 {
					t.Errorf("%s: %d failed at %.4f/s", name, failed, below)
				}
			}
		}
	}
}

// What is no overdrive over two lives has no turnover.
func TestNoTurnover(t *testing.T) {
	life := sockstate.TimeWaitLasts(250)
	turn := (life.Max - life.Min).Seconds()
	p := &ports{free: 1000, turn: turn}
	short, _ := p.drive(700, 100, 0.1)
	q := &ports{free: 1000, turn: turn}
	slow, _ := q.drive(10, 200, 0.1)
	r := &ports{free: 1000, turn: turn}
	whole, _ := r.drive(700, 200, 0.1)
	// The load stands still for 6 s in the middle of its first burst, as if others had the CPU.
	halted := []record.Interval{}
	for _, iv := range whole {
		if iv.TS <= 0.7 {
			halted = append(halted, iv)
			continue
		}
		iv.TS += 6
		halted = append(halted, iv)
	}
	for name, timeline := range map[string][]record.Interval{"halted": halted, "too short": short, "too slow": slow, "empty": nil, "nothing": {{TS: 1}, {TS: 200}}} {
		if got, ok := TurnoverOf(timeline, life, 700, 1000); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A load that is too fast uses all ports within half a life, so that bursts are apart.
func TestOverdrive(t *testing.T) {
	for _, n := range []int64{1, 10, 1000, 28_231, 64_511, 1 << 20} {
		p := pattern{ports: n, narrowed: 1, keeps: sockstate.TimeWaitLasts(250)}
		if rate := p.overdrive(); float64(n)/rate > p.keeps.Min.Seconds()/2 || rate < 2*p.bears() {
			t.Errorf("%d ports: %v/s", n, rate)
		}
		if d := p.sampled(); d < 10*time.Millisecond || d > time.Second {
			t.Errorf("%d ports: sampled each %v", n, d)
		}
	}
}

func TestStarved(t *testing.T) {
	load := func(ts float64, started int64) record.Interval {
		return record.Interval{TS: ts, Started: started, Phase: "load"}
	}
	for _, tt := range []struct {
		name     string
		timeline []record.Interval
		want     bool
	}{
		{"always busy", []record.Interval{load(0.2, 1), load(0.4, 1), load(0.6, 1)}, false},
		{"a short pause", []record.Interval{load(0.2, 1), load(0.4, 0), load(0.6, 1)}, false},
		{"a long one", []record.Interval{load(0.2, 1), load(0.4, 0), load(0.6, 0), load(0.8, 0), load(1, 1)}, true},
		{"the end", []record.Interval{load(0.2, 1), {TS: 3, Phase: "drain"}}, false},
	} {
		if got := starved(tt.timeline); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
