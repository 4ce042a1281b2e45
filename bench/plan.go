package bench

import (
	"time"

	"lastack/bench/host"
	"lastack/bench/model"
	"lastack/bench/record"
	"lastack/bench/verdict"
)

// Plan computes what a load needs and what bounds it, and makes a record of that. It measures nothing: v is what experiments did, or nil. f
// is the client's host.
func Plan(in model.Input, f *host.Facts, v *record.CapacityVerified, version string, command []string) (*record.Run, error) {
	began := time.Now()
	c, err := model.Plan(in)
	if err != nil {
		return nil, err
	}
	c.Verified = v
	r := &record.Run{
		Schema: record.Schema, Version: version, Kind: record.KindPlan, Started: began.UTC(),
		Plan: record.Plan{Command: command}, Hosts: []record.Host{RecordHost(f)}, Capacity: c, Warnings: []string{},
	}
	r.Verdict = verdict.Judge(r)
	r.ElapsedS = time.Since(began).Seconds()
	return r, nil
}
