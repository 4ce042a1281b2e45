package report

import (
	"strings"
	"testing"

	"lastack/bench/record"
)

// What is said of TIME_WAIT where it is not as on the host, or not as the counters have it.
func TestTimeWaitNotes(t *testing.T) {
	host := record.Host{TimeWaitMinS: 60, TimeWaitMaxS: 62.048}
	for _, tt := range []struct {
		name string
		run  record.Run
		want string
	}{
		{
			"the last one, to the wheel's next step",
			record.Run{Hosts: []record.Host{host}, TimeWait: record.TimeWait{Peak: 1000, LongestLeftS: 59.98}},
			"last one gone in 60.0 s to 62.0 s, from the last census on",
		},
		{
			"the last one, on a kernel that was not recorded",
			record.Run{TimeWait: record.TimeWait{Peak: 1000, LongestLeftS: 59.98}},
			"last one gone in 60.0 s or a few more, from the last census on",
		},
		{
			"more buckets than the host",
			record.Run{TimeWait: record.TimeWait{Peak: 1000, PeakBySide: map[string]int{"client": 1000}, MaxBuckets: 8192, HostBuckets: 4096}},
			"peak 1,000 client 1,000; 12.2 % of 8,192 buckets, the sandbox's; the host has 4,096",
		},
		{
			"as many",
			record.Run{TimeWait: record.TimeWait{Peak: 1000, PeakBySide: map[string]int{"client": 1000}, MaxBuckets: 8192, HostBuckets: 8192}},
			"peak 1,000 client 1,000; 12.2 % of 8,192 buckets",
		},
		{
			"young",
			record.Run{TimeWait: record.TimeWait{Peak: 6, Entered: 6, Ages: map[string][]int{"client": {1, 2}, "server": {0, 0, 3}}}},
			"age, last census client server 0 to 1 s 1 0 1 to 2 s 2 0 2 to 3 s 0 3",
		},
		{
			"old",
			record.Run{TimeWait: record.TimeWait{Peak: 6, Entered: 6, Ages: map[string][]int{"server": append(make([]int, 59), 1, 5, 9)}}},
			"age, last census server 0 to 10 s 0 10 to 20 s 0 20 to 30 s 0 30 to 40 s 0 40 to 50 s 0 50 to 60 s 1 60 s and more 5",
		},
		{
			"reopened",
			record.Run{TimeWait: record.TimeWait{Entered: 47_891, Peak: 34_693, EndedEarly: 13_198}},
			"ended early 13,198 reopened by a SYN from the same port, or reset: no counter has these",
		},
		{
			"minisockets in FIN_WAIT_2 only",
			record.Run{TimeWait: record.TimeWait{Entered: 9_588, FinWait2MiniPeak: 9_588}, States: record.States{Final: map[string]map[string]int{"client": {"FIN_WAIT_2": 9_588}}}},
			"TIME_WAIT none seen: the kernel counted 9,588, FIN_WAIT_2 minisockets included entered 9,588 none of them was seen in TIME_WAIT",
		},
		{
			"some still minisockets in FIN_WAIT_2",
			record.Run{TimeWait: record.TimeWait{Entered: 3_904, Peak: 3_000, FinWait2MiniPeak: 3_904}, States: record.States{Final: map[string]map[string]int{"client": {"FIN_WAIT_2": 904}}}},
			"TIME_WAIT 3,904 entered, FIN_WAIT_2 minisockets included; peak 3,000",
		},
		{
			"minisockets in FIN_WAIT_2 on the way",
			record.Run{TimeWait: record.TimeWait{Entered: 3_904, Peak: 3_904, FinWait2MiniPeak: 17}, States: record.States{Final: map[string]map[string]int{"client": {"TIME_WAIT": 3_904}}}},
			"TIME_WAIT 3,904 entered; peak 3,904",
		},
	} {
		if got := words(t, timeWait(&tt.run)); !strings.Contains(got, tt.want) {
			t.Errorf("%s: want %q in %q", tt.name, tt.want, got)
		}
	}
	full := record.Ports{Available: 1000, PeakInUse: 360, Range: "40000 40999"}
	for want, change := range map[string]func(*record.Ports){
		"40000-40999; at this rate full after 55.6 s":                                          func(p *record.Ports) { p.ExhaustedInS = 55.6 },
		"40000-40999; if the load goes on, full after 11.0 s or later: connect may get slower": func(p *record.Ports) { p.ExhaustedInS, p.MaySlow = 11, true },
		"40000-40999; if the load goes on, levels off at 931 or fewer: connect may get slower": func(p *record.Ports) { p.LevelsOffAt, p.MaySlow = 931, true },
		"40000-40999; at this rate levels off at 931":                                          func(p *record.Ports) { p.LevelsOffAt = 931 },
		"1,000 1,000 100.0 % 40000-40999; full after 31.0 s":                                   func(p *record.Ports) { p.PeakInUse, p.ExhaustedInS = 1000, 31 },
	} {
		run := record.Run{Pressure: record.Pressure{Ports: full}}
		change(&run.Pressure.Ports)
		if got := words(t, pressure(&run)); !strings.Contains(got, want) {
			t.Errorf("want %q in %q", want, got)
		}
	}
}
