package grid

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"lastack/bench/record"
	"lastack/sockstate"
)

// CheckResume refuses to go on with the sweep of a record if it is not the one that this setup would begin: it says what differs. It drops
// the record's runs that have no result, which are to be tried again.
func (r *Setup) CheckResume(old *record.Run) error {
	if old.Kind != record.KindSweep || old.Sweep == nil {
		return sockstate.BadValue("resume", "", "this record is of a %s: want one of a sweep", old.Kind)
	}
	now := r.record()
	s, o := now.Sweep, old.Sweep
	if len(old.Hosts) != 1 || reflect.DeepEqual(o.Factors, s.Factors) && len(o.Cells) != len(s.Cells) {
		return sockstate.BadValue("resume", "", "this record is incomplete: want one that lastack sweep has written")
	}
	// Records of older versions have neither settings nor a goal: what these were is unknown, and no reason to refuse.
	for _, f := range []struct {
		name     string
		same     bool
		was, now any
	}{
		{"the program's version", old.Version == now.Version, old.Version, now.Version},
		{"the factors", reflect.DeepEqual(o.Factors, s.Factors), factorsText(o.Factors), factorsText(s.Factors)},
		{"--blocks", o.Blocks == s.Blocks, o.Blocks, s.Blocks},
		{"--seed", o.Seed == s.Seed, o.Seed, s.Seed},
		{"--find", o.Find == s.Find, o.Find, s.Find},
		{"--scale", o.Scale == s.Scale, o.Scale, s.Scale},
		{"--allow", o.Settings == nil || o.Allow == s.Allow, o.Allow, s.Allow},
		{"--threshold", o.Settings == nil || slices.Equal(o.Thresholds, s.Thresholds), o.Thresholds, s.Thresholds},
		{"--base", o.Base.From == s.Base.From && o.Base.File == s.Base.File, o.Base.From + o.Base.File, s.Base.From + s.Base.File},
		{"the base's sysctls", maps.Equal(o.Base.Sysctls, s.Base.Sysctls), o.Base.Sysctls, s.Base.Sysctls},
		{"the kernel", old.Hosts[0].Kernel == now.Hosts[0].Kernel, old.Hosts[0].Kernel, now.Hosts[0].Kernel},
		{"the number of CPUs", old.Hosts[0].CPUs == now.Hosts[0].CPUs, old.Hosts[0].CPUs, now.Hosts[0].CPUs},
	} {
		if !f.same {
			return sockstate.BadValue("resume", "", "it is another sweep: %s was %v and is %v: want the command line of that record, or no --resume", f.name, f.was, f.now)
		}
	}
	if o.Settings != nil {
		both := maps.Clone(s.Settings)
		maps.Copy(both, o.Settings)
		for _, flag := range slices.Sorted(maps.Keys(both)) {
			if was, is := o.Settings[flag], s.Settings[flag]; was != is {
				return sockstate.BadValue("resume", "", "it is another sweep: %s was %s and is %s: want the command line of that record, or no --resume",
					flag, cmp.Or(was, "not given"), cmp.Or(is, "not given"))
			}
		}
	}
	if key := differs(plain(old.Plan), plain(now.Plan)); key != "" {
		return sockstate.BadValue("resume", "", "it is another sweep: %s differs: want the command line of that record, or no --resume", key)
	}
	for i := range s.Cells {
		if a, b := o.Cells[i].Refused, s.Cells[i].Refused; a != b {
			return sockstate.BadValue("resume", "", "it is another sweep: the cell %s was refused (%s) in one of the two only", strings.Join(s.Cells[i].Levels, " "), a+b)
		}
	}
	o.Runs = slices.DeleteFunc(o.Runs, func(run record.SweepRun) bool { return run.Error != "" })
	r.Resume = old
	return nil
}

func factorsText(factors []record.Factor) string {
	var all []string
	for _, f := range factors {
		all = append(all, fmt.Sprintf("%s=%s", ShortKey(f.Key), strings.Join(f.Levels, ";")))
	}
	return strings.Join(all, " ")
}

// plain is a plan without what is not a setting, or is known only after a run.
func plain(p record.Plan) record.Plan {
	p.Command, p.Probed = nil, 0
	p.Groups = slices.Clone(p.Groups)
	for i := range p.Groups {
		p.Groups[i].Targets, p.Groups[i].Headers = nil, nil // records keep no secrets
		p.Groups[i].Seed = 0                                // each run has one of its own
	}
	return p
}

// differs names the first key by which two plans differ.
func differs(a, b record.Plan) string {
	if reflect.DeepEqual(a, b) {
		return ""
	}
	if len(a.Groups) != 1 || len(b.Groups) != 1 {
		return "the plan"
	}
	if key := differingField(reflect.ValueOf(a.Groups[0]), reflect.ValueOf(b.Groups[0])); key != "" {
		return "plan.groups[0]." + key
	}
	a.Groups, b.Groups = nil, nil
	return "plan." + differingField(reflect.ValueOf(a), reflect.ValueOf(b))
}

func differingField(a, b reflect.Value) string {
	for i := range a.NumField() {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			key, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
			return key
		}
	}
	return ""
}
