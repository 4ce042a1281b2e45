package record

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tuneSample makes a tune of a run: two remedies, each tried alone, and one confirmed.
func tuneSample(r *Run) *Run {
	c := *r
	c.Kind = KindTune
	c.Tune = &Tune{
		RatePerS: 1000, Allow: 0.001, Base: SweepBase{From: "host"}, Keep: []string{"close"}, ExpectedS: 170, Result: TuneChange, LimitedBy: LimitPorts,
		Remedies: []TuneRemedy{
			{Code: "reuse", Cost: 1, Changes: []TuneSetting{{Key: "net.ipv4.tcp_tw_reuse", From: "2", To: "1"}}, Costs: "CPU", Risk: "NAT"},
			{Code: "fin_timeout", Cost: 9, Changes: []TuneSetting{{Key: "net.ipv4.tcp_fin_timeout", From: "60", To: "15"}}, Why: "of orphans"},
		},
		Trials: []TuneTrial{
			{
				Started: time.Unix(1764000001, 0).UTC(), FindTry: FindTry{OfferedPerS: 1000, CompletedPerS: 900, ElapsedS: 31, Failed: 5, LimitedBy: LimitPorts, Reason: "5 failed"},
				LoadS: 31, Attempted: 31_000, FailedAfterS: 28.2, Values: map[string]float64{"counters.TcpExtTW": -1}, Outcomes: map[string]int64{"no_local_port": 5},
				Predicted: &TunePrediction{Ports: 28_232, KeptMinS: 60, KeptMaxS: 62.05, LoPerS: 455, HiPerS: 470.5, ExhaustedS: 28.2},
			},
			{Remedies: []int{0}, Scale: 0.1, FindTry: FindTry{OfferedPerS: 100, Sustained: true}},
			{Remedies: []int{1}, Error: "the cell crashed"},
			{Remedies: []int{0}, Confirms: true, Late: true, FindTry: FindTry{Sustained: true}},
		},
		Answer: []int{0}, Takes: &TuneNeed{Ports: 62_048, PortsEach: 28_232, Addresses: 3},
	}
	return &c
}

func TestTuneCodec(t *testing.T) {
	want := tuneSample(sample(t))
	var b bytes.Buffer
	if err := Write(&b, want); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(&b); err != nil || !cmp.Equal(want, got) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
}

// What would mislead a reader is one error, which names the key.
func TestTuneDamaged(t *testing.T) {
	for _, tt := range []struct {
		key    string
		damage func(*Run)
	}{
		{"tune", func(r *Run) { r.Tune = nil }},
		{"tune.result", func(r *Run) { r.Tune.Result = "perhaps" }},
		{"tune.allow", func(r *Run) { r.Tune.Allow = 2 }},
		{"tune.answer", func(r *Run) { r.Tune.Answer = nil }},
		{"tune.answer", func(r *Run) { r.Tune.Answer = []int{2} }},
		{"tune.answer", func(r *Run) { r.Tune.Answer = []int{0, 0} }},
		{"tune.trials", func(r *Run) { r.Tune.Trials = nil }},
		{"tune.remedies[1].changes", func(r *Run) { r.Tune.Remedies[1].Changes = nil }},
		{"tune.remedies[1].cost", func(r *Run) { r.Tune.Remedies[1].Cost = -1 }},
		{"tune.trials[2].remedies", func(r *Run) { r.Tune.Trials[2].Remedies = []int{-1} }},
		{"tune.trials[1].scale", func(r *Run) { r.Tune.Trials[1].Scale = 1.5 }},
		{"tune.trials[0].failed", func(r *Run) { r.Tune.Trials[0].Failed = 1e6 }},
		{"tune.trials[0].predicted", func(r *Run) { r.Tune.Trials[0].Predicted.LoPerS = -1 }},
	} {
		r := tuneSample(sample(t))
		tt.damage(r)
		b, err := Marshal(r, "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = Read(bytes.NewReader(b))
		f, ok := errors.AsType[*formatError](err)
		if !ok || f.Fault != faultDamaged || !strings.HasPrefix(f.Key, tt.key) {
			t.Errorf("%s: %v", tt.key, err)
		}
	}
}
