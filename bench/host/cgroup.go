package host

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// Controllers of control groups that limit a load. cpuset is not needed: it shows in the affinity, which is where CPUs
// comes from.
const (
	cpuController    = "cpu"
	memoryController = "memory"
	pidsController   = "pids"
)

// level is the directory of a control group or of one of its ancestors.
type level struct {
	dir string
	v2  bool
}

// cgroups holds the control groups of this process by controller, each with its visible ancestors.
type cgroups struct {
	root   fs.FS
	levels map[string][]level
}

// findCgroups finds the directories that limit this process, from /proc/self/cgroup and the mounts. A host may mount both
// versions, with each controller in one of them. In a container or a cgroup namespace, a mount may show only a part of the
// hierarchy: its root is then a group further down, and the groups above it are not visible.
func findCgroups(root fs.FS, groups []procfs.Cgroup, mounts []*procfs.MountInfo) *cgroups {
	c := &cgroups{root: root, levels: make(map[string][]level)}
	for _, controller := range []string{cpuController, memoryController, pidsController} {
		for _, g := range groups {
			v2 := g.HierarchyID == 0
			if !v2 && !slices.Contains(g.Controllers, controller) {
				continue
			}
			for _, m := range mounts {
				_, has := m.SuperOptions[controller]
				if v2 && m.FSType == "cgroup2" || !v2 && m.FSType == "cgroup" && has {
					for _, dir := range above(m, g.Path) {
						c.levels[controller] = append(c.levels[controller], level{dir, v2})
					}
					break
				}
			}
		}
	}
	return c
}

// above lists the directories of a group and its ancestors up to the mount's root, relative to the file system's root.
func above(m *procfs.MountInfo, group string) []string {
	mount, root := strings.Trim(m.MountPoint, "/"), path.Clean("/"+m.Root)
	// For a group outside the mount's root ("/../x": a namespace made elsewhere) only the root is visible.
	inside := "/"
	if rest, ok := strings.CutPrefix(path.Clean("/"+group), root); ok && (root == "/" || rest == "" || rest[0] == '/') && !strings.HasPrefix(group, "/..") {
		inside = path.Clean("/" + rest)
	}
	var dirs []string
	for {
		dirs = append(dirs, path.Join(mount, inside))
		if inside == "/" {
			return dirs
		}
		inside = path.Dir(inside)
	}
}

// readFile parses a file of a group. ok is false if there is none, or it does not parse.
func readFile[T any](c *cgroups, dir, file string, parse func(io.Reader) (T, error)) (v T, ok bool) {
	f, err := c.root.Open(path.Join(dir, file))
	if err != nil {
		return v, false
	}
	defer f.Close()
	v, err = parse(f)
	return v, err == nil
}

// number reads one value of a group. ok is false if there is no file or no limit.
func (c *cgroups) number(dir, file string) (n int64, ok bool) {
	n, ok = readFile(c, dir, file, parseLimit)
	return n, ok && n < math.MaxInt64
}

// stat reads a group's file of keys and values; nil if there is none.
func (c *cgroups) stat(dir, file string) map[string]int64 {
	m, _ := readFile(c, dir, file, parseStat)
	return m
}

// cpus returns the smallest quota, in CPUs, and the file that sets it; 0 without a quota.
func (c *cgroups) cpus() (cpus float64, file string) {
	for _, l := range c.levels[cpuController] {
		at, q := "cpu.max", 0.0
		if l.v2 {
			q, _ = readFile(c, l.dir, at, parseCPUMax)
		} else {
			at = "cpu.cfs_quota_us"
			quota, ok := c.number(l.dir, at)
			period, ok2 := c.number(l.dir, "cpu.cfs_period_us")
			if ok && ok2 && quota > 0 && period > 0 { // -1 is none
				q = float64(quota) / float64(period)
			}
		}
		if q > 0 && (cpus == 0 || q < cpus) {
			cpus, file = q, at
		}
	}
	return cpus, file
}

// memory returns the smallest limit in bytes, the file that sets it, and the least that a limited group has left, counting
// the inactive page cache as free; all 0 without a limit.
func (c *cgroups) memory() (limit, left int64, file string) {
	for _, l := range c.levels[memoryController] {
		at, used, cache := "memory.max", "memory.current", "inactive_file"
		if !l.v2 {
			at, used, cache = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
		}
		n, ok := c.number(l.dir, at)
		// Version 1 prints "none" as PAGE_COUNTER_MAX pages.
		if !ok || n >= math.MaxInt64/4096*4096 {
			continue
		}
		if limit == 0 || n < limit {
			limit, file = n, at
		}
		free := n
		if u, ok := c.number(l.dir, used); ok {
			free = max(n-max(u-c.stat(l.dir, "memory.stat")[cache], 0), 0)
		}
		if left == 0 || free < left {
			left = max(free, 1)
		}
	}
	return limit, left, file
}

// threads returns how many more threads the groups allow, and the limit that is closest. ok is false without a limit.
func (c *cgroups) threads() (left, limit int64, ok bool) {
	for _, l := range c.levels[pidsController] {
		n, limited := c.number(l.dir, "pids.max")
		if !limited {
			continue
		}
		used, _ := c.number(l.dir, "pids.current")
		if !ok || n-used < left {
			left, limit, ok = n-used, n, true
		}
	}
	return left, limit, ok
}

// CgroupUse holds cumulative counters of the control groups of a process: throttled periods and hits of the memory
// limit. The zero value is that of a process in no control group.
type CgroupUse struct{ levels []cgroupUse }

type cgroupUse struct {
	dir                string
	periods, throttled int64
	waited             time.Duration
	memoryHits, oom    int64
	counted            bool // periods were read
}

// CgroupHeld is how much the limits of control groups held a process back during some time. Each value is that of the worst group.
type CgroupHeld struct {
	// In Throttled of Periods periods of the CPU quota threads had to wait for the next one. Waited is summed over the CPUs.
	Periods, Throttled int64
	Waited             time.Duration
	// Counted is set if at least one group had these counters at both times: cpu.stat has them only with a quota.
	Counted bool
	// MemoryHits is how often an allocation, page cache included, hit the limit; OOM how often reclaim then failed.
	MemoryHits, OOM int64
}

func (c *cgroups) use() CgroupUse {
	var u CgroupUse
	for _, l := range c.levels[cpuController] {
		s := c.stat(l.dir, "cpu.stat")
		one := cgroupUse{dir: l.dir, periods: s["nr_periods"], throttled: s["nr_throttled"], waited: time.Duration(s["throttled_usec"]) * time.Microsecond}
		_, one.counted = s["nr_periods"]
		if !l.v2 {
			one.waited = time.Duration(s["throttled_time"])
		}
		u.levels = append(u.levels, one)
	}
	for _, l := range c.levels[memoryController] {
		one := cgroupUse{dir: l.dir}
		if l.v2 {
			s := c.stat(l.dir, "memory.events")
			one.memoryHits, one.oom = s["max"], s["oom"]
		} else {
			one.memoryHits, _ = c.number(l.dir, "memory.failcnt")
			one.oom = c.stat(l.dir, "memory.oom_control")["oom_kill"]
		}
		u.levels = append(u.levels, one)
	}
	return u
}

// Since returns the difference from an earlier reading to u.
func (u CgroupUse) Since(before CgroupUse) CgroupHeld {
	var h CgroupHeld
	for i, now := range u.levels {
		if i >= len(before.levels) || before.levels[i].dir != now.dir {
			continue // moved to another group meanwhile
		}
		was := before.levels[i]
		if n := now.throttled - was.throttled; n > h.Throttled {
			h.Throttled, h.Periods, h.Waited = n, now.periods-was.periods, now.waited-was.waited
		}
		h.Counted = h.Counted || now.counted && was.counted
		h.MemoryHits = max(h.MemoryHits, now.memoryHits-was.memoryHits)
		h.OOM = max(h.OOM, now.oom-was.oom)
	}
	return h
}

// parseLimit reads a file of one number; "max" is math.MaxInt64.
func parseLimit(r io.Reader) (int64, error) {
	b, err := io.ReadAll(io.LimitReader(r, 64))
	if err != nil {
		return 0, err
	}
	s := strings.TrimSpace(string(b))
	if s == "max" {
		return math.MaxInt64, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a number nor max", s)
	}
	return n, nil
}

// parseCPUMax reads cpu.max (cpu_max_show), "50000 100000" or "max 100000": the quota in CPUs, 0 for none.
func parseCPUMax(r io.Reader) (float64, error) {
	b, err := io.ReadAll(io.LimitReader(r, 64))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b))
	if len(f) != 2 {
		return 0, fmt.Errorf("%q is not a quota and a period", b)
	}
	period, err := strconv.ParseUint(f[1], 10, 63)
	if err != nil || period == 0 {
		return 0, fmt.Errorf("the period %q is no number of microseconds", f[1])
	}
	if f[0] == "max" {
		return 0, nil
	}
	quota, err := strconv.ParseUint(f[0], 10, 63)
	if err != nil {
		return 0, fmt.Errorf("the quota %q is no number of microseconds", f[0])
	}
	return float64(quota) / float64(period), nil
}

// parseStat reads lines of a key and a number (cpu.stat, memory.events, memory.stat, memory.oom_control).
func parseStat(r io.Reader) (map[string]int64, error) {
	m := make(map[string]int64)
	s := bufio.NewScanner(r)
	for s.Scan() {
		key, value, ok := strings.Cut(s.Text(), " ")
		n, err := strconv.ParseInt(value, 10, 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("%q is not a key and a number", s.Text())
		}
		m[key] = n
	}
	return m, s.Err()
}

func ownCgroups() (*cgroups, error) {
	self, err := procfs.Self()
	if err != nil {
		return nil, &readError{What: "/proc/self", Err: err}
	}
	groups, err := self.Cgroups()
	if err != nil {
		return nil, &readError{What: "/proc/self/cgroup", Err: err}
	}
	mounts, err := self.MountInfo()
	if err != nil {
		return nil, &readError{What: "/proc/self/mountinfo", Err: err}
	}
	return findCgroups(os.DirFS("/"), groups, mounts), nil
}

// Workers is how many threads can run at once: the CPUs that this process may use, or its control group's CPU quota,
// rounded up.
func Workers() int {
	f := Facts{CPUs: runtime.NumCPU()}
	if c, err := ownCgroups(); err == nil { // else no quota is visible
		f.CPUQuota, _ = c.cpus()
	}
	return max(int(math.Ceil(f.UsableCPUs())), 1)
}

// ReadCgroupUse reads the counters of this process's control groups. It returns the zero value if it cannot.
func ReadCgroupUse() CgroupUse {
	c, err := ownCgroups()
	if err != nil {
		return CgroupUse{}
	}
	return c.use()
}
