package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/preset"
	"lastack/bench/record"
	"lastack/bench/record/recordtest"
	"lastack/sockstate"
)

// Every preset finds what is known of the kernel, within three minutes, and leaves the host's sysctls alone. It lasts for nine minutes; a preset
// that finds the machine busy with others is tried again.
func TestPresetsOfKernel(t *testing.T) {
	if os.Getenv("LASTACK_LONG") == "" {
		t.Skip("nine minutes of load: set LASTACK_LONG=1")
	}
	before := hostSysctls(t)
	dir := t.TempDir()
	records := make(map[string]*record.Run)
	for _, name := range preset.Names() {
		for range 3 {
			if records[name] = putPreset(t, dir, name); records[name] == nil || records[name].Sweep.Preset.Result != record.PresetBusy {
				break
			}
		}
		if run := records[name]; run != nil && run.Sweep.Preset.Result != record.PresetAsPredicted {
			t.Errorf("%s: %s", name, run.Sweep.Preset.Answer)
		}
	}
	if d := cmp.Diff(before, hostSysctls(t)); d != "" {
		t.Errorf("the host's sysctls changed:\n%s", d)
	}

	// The rate is linear in ports and addresses: the slope is one port in a TIME_WAIT's life, within 2 %.
	for name, ports := range map[string][]float64{"port-range": {500, 1000, 2000}, "sources": {500, 1000, 2000}} {
		run := records[name]
		if run == nil {
			continue
		}
		rates := make([]float64, len(ports))
		for _, r := range run.Sweep.Runs {
			if r.Found != nil {
				rates[r.Cell] = r.Found.PerS
			}
		}
		slope := slopeOf(ports, rates) * sockstate.TimeWaitLasts(run.Hosts[0].HZ).Mean().Seconds()
		t.Logf("%s: slope %.4f of a port in each life of a TIME_WAIT", name, slope)
		if slope < 0.98 || slope > 1.02 {
			t.Errorf("%s: slope %.4f: %v of %v ports", name, slope, rates, ports)
		}
	}
	// A port that is reused serves at least 20 times as much as what ports bear that are not.
	if run := records["tw-reuse"]; run != nil {
		bears := 500 / sockstate.TimeWaitLasts(run.Hosts[0].HZ).Mean().Seconds()
		for _, r := range run.Sweep.Runs {
			if run.Sweep.Cells[r.Cell].Levels[0] == "1" && r.Values["rate.completed"] < 20*bears {
				t.Errorf("tcp_tw_reuse=1: %v/s, want 20 times %.2f/s", r.Values["rate.completed"], bears)
			}
		}
	}
	// The ledger is the kernel's.
	if run := records["tw-buckets"]; run != nil {
		for _, r := range run.Sweep.Runs {
			if v := r.Values; v["time_wait.entered"]+v["counters.TcpExtTCPTimeWaitOverflow"] != v["connections.completed"] {
				t.Errorf("%v: %v entered, %v overflows of %v connections", run.Sweep.Cells[r.Cell].Levels, v["time_wait.entered"], v["counters.TcpExtTCPTimeWaitOverflow"], v["connections.completed"])
			}
		}
	}
}

// putPreset runs a preset.
func putPreset(t *testing.T, dir, name string) *record.Run {
	t.Helper()
	began := time.Now()
	cmd := exec.CommandContext(t.Context(), "lastack", "sweep", "--preset", name, "-q", "-o", name+".json")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() == exitInvalid { // not as predicted, or the machine was busy: the record says which
		err = nil
	}
	if took := time.Since(began); err != nil || took > 3*time.Minute {
		t.Errorf("%s: %v after %v: %s", name, err, took, out)
		return nil
	}
	run := recordtest.Read(t, filepath.Join(dir, name+".json"))
	p := run.Sweep.Preset
	t.Logf("%s, %.0f s: %s", name, run.ElapsedS, p.Answer)
	for _, q := range p.Predictions {
		t.Logf("  %v %s: predicted %s, observed %s in %d runs", run.Sweep.Cells[q.Cell].Levels, q.Metric, preset.Predicted(&q), preset.Seen(&q), q.N)
	}
	return run
}

// slopeOf is that of the line of least squares.
func slopeOf(x, y []float64) float64 {
	var meanX, meanY, xy, xx float64
	for i := range x {
		meanX += x[i] / float64(len(x))
		meanY += y[i] / float64(len(y))
	}
	for i := range x {
		xy += (x[i] - meanX) * (y[i] - meanY)
		xx += (x[i] - meanX) * (x[i] - meanX)
	}
	return xy / xx
}
