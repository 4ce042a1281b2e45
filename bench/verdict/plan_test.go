package verdict

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/model"
	"lastack/bench/record"
)

// TestJudgePlan answers in two sentences.
func TestJudgePlan(t *testing.T) {
	ports := func(change ...func(*record.CapacityLimit)) record.CapacityLimit {
		l := record.CapacityLimit{
			Name: record.LimitPorts, Side: "client", Reached: &record.Estimate{Value: 456.6, Lo: 449.2, Hi: 464.3}, FullAfterS: &record.Estimate{Value: 1.41},
		}
		for _, c := range change {
			c(&l)
		}
		return l
	}
	days := 35.5 * 24 * 3600
	for _, tt := range []struct {
		name   string
		from   float64
		to     float64
		limits []record.CapacityLimit
		change []record.CapacityChange
		by     string
		want   []string
	}{
		{
			"below", 2000, 20_000,
			[]record.CapacityLimit{ports()},
			[]record.CapacityChange{
				{Where: model.PlaceSysctl, Key: "net.ipv4.ip_local_port_range", To: "1024 65535"},
				{Where: model.PlaceAddresses, To: "39"},
				{Where: model.PlaceMiddle, Side: model.NAT, Key: "addresses", To: "63"},
				{Where: model.PlaceLimits, Side: "client", Key: "nofile", To: "32768"},
				{Where: model.PlaceLimits, Side: "server", Key: "nofile", To: "32768"},
				{Where: model.PlaceLimits, Side: "server", Key: "nproc", To: "2048"},
				{Where: model.PlaceHosts, Side: "server", Key: "hosts", To: "3"},
			},
			record.LimitPorts,
			[]string{
				"the first limit is local ports (client), at 456.6 connections/s (between 449.2 and 464.3), below the 2,000/s asked for; at 20,000/s it is reached after 1.41 s",
				"20,000/s with 30 % of each limit free takes 39 source addresses, 63 addresses of the NAT, nofile 32768 at both ends, nproc 2048 at the server, 3 hosts as server, 1 sysctl",
			},
		},
		{
			"on the way", 100, 1000,
			[]record.CapacityLimit{ports(func(l *record.CapacityLimit) { l.WhenS = &days })},
			nil, record.LimitPorts,
			[]string{
				"the first limit is local ports (client), at 456.6 connections/s (between 449.2 and 464.3), on the way from 100.0/s to 1,000/s, after 35.5 days, on 5 Feb 2027; at 1,000/s it is reached after 1.41 s",
				"1,000/s fits as it is, with 30 % of each limit free",
			},
		},
		{
			"above", 10, 100,
			[]record.CapacityLimit{ports(func(l *record.CapacityLimit) { l.FullAfterS, l.Reached.Hi = nil, model.MostRate })},
			nil, record.LimitPorts,
			[]string{
				"the first limit is local ports (client), at 456.6 connections/s (at least 449.2), above the 100.0/s asked for",
				"100.0/s fits as it is, with 30 % of each limit free",
			},
		},
		{
			"at its peaks", 10, 450,
			[]record.CapacityLimit{ports()},
			nil, record.LimitPorts,
			[]string{
				"the first limit is local ports (client), at 456.6 connections/s (between 449.2 and 464.3), above the 450.0/s asked for, whose peaks reach it all the same",
				"450.0/s fits as it is, with 30 % of each limit free",
			},
		},
		{
			"a leak", 10, 100,
			[]record.CapacityLimit{{Name: record.LimitFds, Side: "server", Reached: &record.Estimate{}, Peak: record.Estimate{Endless: true}, FullAfterS: &record.Estimate{Value: 200}}},
			[]record.CapacityChange{{Where: model.PlaceApplication}},
			record.LimitFds,
			[]string{
				"the first limit is descriptors (server), at any rate, as connections that nobody closes add up; at 100.0/s it is reached after 200 s",
				"100.0/s does not fit, whatever the limits: sockets that nobody closes add up",
			},
		},
		{
			"which is first is not sure", 10, 100,
			[]record.CapacityLimit{
				ports(func(l *record.CapacityLimit) { l.FullAfterS = nil }),
				{Name: record.LimitNATPorts, Side: model.NAT, Reached: &record.Estimate{Value: 470, Lo: 464.3, Hi: 500}},
				{Name: record.LimitCPU, Side: "client", Reached: &record.Estimate{Value: 803, Lo: 511, Hi: 1043}},
				{Name: record.LimitOrphans, Side: "client"},
			},
			nil, record.LimitPorts,
			[]string{
				"the first limit is local ports (client), at 456.6 connections/s (between 449.2 and 464.3), above the 100.0/s asked for",
				"100.0/s fits as it is, with 30 % of each limit free",
				"which limit is first is not sure: its interval overlaps with that of NAT ports (nat, from 464.3/s on)",
			},
		},
		{
			"full buckets free ports", 10, 100,
			[]record.CapacityLimit{
				{Name: record.LimitTWBuckets, Side: "client", Reached: &record.Estimate{Value: 163.9, Lo: 161.2, Hi: 166.7}},
				ports(func(l *record.CapacityLimit) { l.FullAfterS = nil }),
			},
			nil, record.LimitTWBuckets,
			[]string{
				"the first limit is TIME_WAIT buckets (client), at 163.9 connections/s (between 161.2 and 166.7), above the 100.0/s asked for",
				"100.0/s fits as it is, with 30 % of each limit free",
				"above 163.9/s the TIME_WAIT buckets are full, and a close skips TIME_WAIT and frees its port at once: local ports last beyond 456.6/s",
			},
		},
		{
			"gateways follow from addresses", 2000, 20_000,
			[]record.CapacityLimit{ports()},
			[]record.CapacityChange{
				{Where: model.PlaceMiddle, Side: model.NAT, Key: model.KeyAddresses, To: "63"},
				{Where: model.PlaceMiddle, Side: model.NAT, Key: model.KeyGateways, To: "8"},
				{Where: model.PlaceHosts, Side: model.Balancer, Key: "hosts", To: "2"},
			},
			record.LimitPorts,
			[]string{
				"the first limit is local ports (client), at 456.6 connections/s (between 449.2 and 464.3), below the 2,000/s asked for; at 20,000/s it is reached after 1.41 s",
				"20,000/s with 30 % of each limit free takes 63 addresses of the NAT, 2 hosts as load balancer",
			},
		},
		{"nothing is known", 10, 100, nil, nil, "", []string{"no limit is known that a rate could reach", "100.0/s fits as it is, with 30 % of each limit free"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &record.Run{Kind: record.KindPlan, Started: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Capacity: &record.Capacity{
				Asked: record.CapacityAsked{RateFrom: tt.from, RateTo: tt.to, Headroom: 0.3}, Limits: tt.limits, Changes: tt.change,
			}}
			v := words(t, r)
			if diff := cmp.Diff(tt.want, v.Reasons); diff != "" {
				t.Error(diff)
			}
			if !v.Valid || v.LimitedBy != tt.by {
				t.Errorf("%+v", v)
			}
		})
	}
}

// What the ports let through is beside what is offered, whatever the limit.
func TestPlanCarries(t *testing.T) {
	for carried, want := range map[float64][]string{
		100: {"no limit is known that a rate could reach", "100.0/s fits as it is, with 0 % of each limit free"},
		75: {
			"no limit is known that a rate could reach", "100.0/s fits as it is, with 0 % of each limit free",
			"of 100.0/s offered the local ports carry 75.0/s: 25.00 % of the connects find none",
		},
	} {
		r := &record.Run{Kind: record.KindPlan, Capacity: &record.Capacity{
			Asked: record.CapacityAsked{RateFrom: 10, RateTo: 100}, Rates: []float64{10, 100},
			Needs: []record.CapacityNeed{{Name: "carried", Side: "client", At: []record.Estimate{{Value: 10}, {Value: carried}}}},
		}}
		if diff := cmp.Diff(want, words(t, r).Reasons); diff != "" {
			t.Error(diff)
		}
	}
}
