package compare

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastack/bench/record"
)

// Cause is something in which the sides differ, and which may so have caused what they measured.
type Cause struct {
	// Key is the record's, without the unit: "server.delay".
	Key string `json:"key"`
	// A and B list each side's values. No value of A is one of B's, unless the cause is that of a finding about a mixed side.
	A []Setting `json:"a"`
	B []Setting `json:"b"`

	rank int
}

// Setting is a value, and how many records have it.
type Setting struct {
	// Value is empty if the record has no such key.
	Value   string `json:"value"`
	Records int    `json:"records"`
}

// places lists the keys of a record that say how it was measured, the most likely cause of a difference first: what was asked of the load
// and of the server, what was set on purpose, what the kernel was set to, then programs and machines. A verdict is last: it is an effect,
// which may explain others. A key is that of the first place that begins it.
func places() []string {
	return []string{
		"shards", "plan.groups", "plan.duration", "plan.count", "plan.ramp", "plan.warmup", "drain.stop", "server", "sandbox.loss", "sandbox.sysctls", "hosts.sysctls",
		"sandbox", "plan.engine", "plan.workers", "plan.server_workers", "version", "hosts.kernel", "hosts", "interrupted", "verdict", "plan.command",
	}
}

// incidental keys differ between runs of the same thing.
func incidental(key string) bool {
	switch withoutIndex(key) {
	case "hosts.netns", "hosts.clock_offset_us", "hosts.gomaxprocs", "plan.engine_reason", "plan.cpus", "plan.resolved", "plan.probed", "drain.stop.pid", "sandbox.reason":
		return true
	}
	return false
}

// withoutIndex is hosts.sysctls.X for hosts[1].sysctls.X.
func withoutIndex(key string) string {
	if before, rest, ok := strings.Cut(key, "["); ok {
		if _, rest, ok := strings.Cut(rest, "]"); ok {
			return before + rest
		}
	}
	return key
}

// hostsOf is how many hosts each record that has any has at least, and at most.
func hostsOf(sides *[2]side) (least, most int) {
	least = math.MaxInt
	for i := range sides {
		for _, r := range sides[i].runs {
			if n := len(r.Hosts); n > 0 {
				least, most = min(least, n), max(most, n)
			}
		}
	}
	return least, most
}

// settings lists how a record was measured, by key. Of the hosts it lists those that all records have: there are least to most.
func settings(r *record.Run, least, most int) map[string]string {
	all := make(map[string]string)
	part := func(key string, v any) {
		b, err := json.Marshal(v)
		var tree any
		if err == nil {
			err = json.Unmarshal(b, &tree)
		}
		if err == nil {
			flatten(all, key, tree)
		}
	}
	plan := r.Plan
	plan.Groups = slices.Clone(plan.Groups)
	if len(plan.Groups) > 1 {
		var names []string
		for i := range plan.Groups {
			names = append(names, plan.Groups[i].Name)
		}
		all["plan.groups"] = strings.Join(names, ", ")
	}
	for i := range plan.Groups {
		g := &plan.Groups[i]
		g.Seed = 0 // each run has a sequence of its own
		if r.Server != nil || plan.ServerWorkers > 0 || r.Drain != nil {
			g.Targets = nil // the kernel's choice of port
		}
		if g.SourcesChosen > 0 {
			g.Sources = nil
		}
	}
	if command := asked(plan.Command); len(command) > 0 {
		all["plan.command"] = strings.Join(command, " ")
	}
	plan.Command = nil
	part("plan", plan)
	part("sandbox", r.Sandbox)
	if len(r.Shards) > 0 {
		all["shards"] = strconv.Itoa(len(r.Shards))
	}
	if least < most && len(r.Hosts) > 0 {
		all["hosts"] = strconv.Itoa(len(r.Hosts))
	}
	for i := range r.Hosts[:min(least, len(r.Hosts))] {
		key := "hosts"
		if most > 1 {
			key = fmt.Sprintf("hosts[%d]", i)
		}
		part(key, r.Hosts[i])
	}
	if r.Server != nil {
		part("server", map[string]any{"listeners": r.Server.Listeners, "backlog": r.Server.Backlog, "delay_ns": r.Server.DelayNs})
	}
	if r.Drain != nil {
		part("drain.stop", r.Drain.Stop)
	}
	all["version"], all["verdict"] = r.Version, verdictOf(r)
	if r.Interrupted {
		all["interrupted"] = "yes"
	}
	maps.DeleteFunc(all, func(key, _ string) bool { return incidental(key) })
	return all
}

// asked is a command line without what only says where the result goes.
func asked(command []string) (args []string) {
	for i := 0; i < len(command); i++ {
		switch a := command[i]; {
		case i == 0, a == "-q", a == "--quiet", a == "-v", a == "--verbose":
		case a == "-o", a == "--output", a == "--format":
			i++
		case strings.HasPrefix(a, "-o"), strings.HasPrefix(a, "--output="), strings.HasPrefix(a, "--format="):
		default:
			args = append(args, a)
		}
	}
	return args
}

// flatten adds each value of a JSON tree under its path. A plan of one group needs no index. Times in nanoseconds are written as durations.
func flatten(all map[string]string, key string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, child := range v {
			flatten(all, key+"."+k, child)
		}
	case []any:
		if len(v) > 0 {
			if _, objects := v[0].(map[string]any); objects {
				for i, child := range v {
					name := key
					if len(v) > 1 {
						name = fmt.Sprintf("%s[%s]", key, nameOf(child, i))
					}
					flatten(all, name, child)
				}
				return
			}
		}
		var texts []string
		for _, child := range v {
			texts = append(texts, text("", child))
		}
		all[key] = strings.Join(texts, " ")
	case nil:
	default:
		name, _ := strings.CutSuffix(key, "_ns")
		all[name] = text(key, v)
	}
}

// nameOf is what an element of a list calls itself, or its number.
func nameOf(element any, i int) string {
	if object, ok := element.(map[string]any); ok {
		if name, ok := object["name"].(string); ok && name != "" {
			return name
		}
	}
	return strconv.Itoa(i)
}

func text(key string, v any) string {
	if n, ok := v.(float64); ok {
		if strings.HasSuffix(key, "_ns") {
			return time.Duration(n).String()
		}
		if n == float64(int64(n)) {
			return fmt.Sprintf("%d", int64(n))
		}
	}
	if list, ok := v.([]any); ok {
		var texts []string
		for _, child := range list {
			texts = append(texts, text("", child))
		}
		return strings.Join(texts, " ")
	}
	return fmt.Sprint(v)
}

// causes compares the settings of the sides' records. between lists those of which no value is common to both sides, mixed the others that
// are not the same in all records of a side.
func causes(sides *[2]side) (between, mixed []Cause) {
	between = []Cause{} // not null in JSON
	var per [2][]map[string]string
	keys := make(map[string]bool)
	least, most := hostsOf(sides)
	for i := range sides {
		for _, r := range sides[i].runs {
			s := settings(r, least, most)
			per[i] = append(per[i], s)
			for k := range s {
				keys[k] = true
			}
		}
	}
	for key := range keys {
		c := Cause{Key: key, A: count(per[0], key), B: count(per[1], key), rank: rank(key)}
		switch {
		case disjoint(c.A, c.B):
			between = append(between, c)
		case (len(c.A) > 1 || len(c.B) > 1) && key != "verdict":
			mixed = append(mixed, c)
		}
	}
	order := func(a, b Cause) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Key, b.Key)) }
	slices.SortFunc(between, order)
	slices.SortFunc(mixed, order)
	return explained(between), explained(mixed)
}

func count(records []map[string]string, key string) (list []Setting) {
	for _, r := range records {
		i := slices.IndexFunc(list, func(s Setting) bool { return s.Value == r[key] })
		if i < 0 {
			i, list = len(list), append(list, Setting{Value: r[key]})
		}
		list[i].Records++
	}
	slices.SortStableFunc(list, func(a, b Setting) int { return cmp.Compare(b.Records, a.Records) })
	return list
}

func disjoint(a, b []Setting) bool {
	return !slices.ContainsFunc(a, func(x Setting) bool {
		return slices.ContainsFunc(b, func(y Setting) bool { return x.Value == y.Value })
	})
}

func rank(key string) int {
	key = withoutIndex(key)
	for i, place := range places() {
		if key == place || strings.HasPrefix(key, place+".") || place == "hosts" && strings.HasPrefix(key, place) {
			return i
		}
	}
	return len(places())
}

// explained leaves out what only says the same again: a sysctl that was asked for if the host's value differs too, the end of
// a ramp that is none, what is set in a group that only one side has, and the command line if it led to any other difference.
func explained(all []Cause) []Cause {
	has := func(key string) bool {
		return slices.ContainsFunc(all, func(c Cause) bool { return c.Key == key })
	}
	same := func(c Cause, key string) bool {
		return slices.ContainsFunc(all, func(o Cause) bool { return o.Key == key && slices.Equal(o.A, c.A) && slices.Equal(o.B, c.B) })
	}
	absent := func(s []Setting) bool { return len(s) == 1 && s[0].Value == "" }
	planned := slices.ContainsFunc(all, func(c Cause) bool { return c.Key != "plan.command" && c.rank < rank("plan.workers") })
	return slices.DeleteFunc(slices.Clone(all), func(c Cause) bool {
		if sysctl, ok := strings.CutPrefix(c.Key, "sandbox.sysctls."); ok {
			return has("hosts.sysctls." + sysctl)
		}
		if group, _, ok := strings.Cut(c.Key, "]."); ok && strings.HasPrefix(group, "plan.groups[") &&
			slices.ContainsFunc(all, func(o Cause) bool { return o.Key == group+"].name" && (absent(o.A) || absent(o.B)) }) {
			return true
		}
		if ramp, ok := strings.CutSuffix(c.Key, ".rate_to"); ok && same(c, ramp+".rate_from") {
			return true
		}
		return c.Key == "plan.command" && planned || withoutIndex(c.Key) == "hosts.boot_id" && has(strings.TrimSuffix(c.Key, "boot_id")+"kernel")
	})
}
