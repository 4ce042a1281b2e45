package host

import (
	"math"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
)

// files makes a file system of names and contents.
func files(contents map[string]string) fstest.MapFS {
	fsys := make(fstest.MapFS)
	for name, s := range contents {
		fsys[name] = &fstest.MapFile{Data: []byte(s + "\n")}
	}
	return fsys
}

func v2(group string) []procfs.Cgroup { return []procfs.Cgroup{{HierarchyID: 0, Path: group}} }

func v1(cpu, memory, pids string) []procfs.Cgroup {
	return []procfs.Cgroup{
		{HierarchyID: 4, Controllers: []string{"memory"}, Path: memory},
		{HierarchyID: 8, Controllers: []string{"pids"}, Path: pids},
		{HierarchyID: 1, Controllers: []string{"cpu", "cpuacct"}, Path: cpu},
		{HierarchyID: 9, Controllers: []string{"name=systemd"}, Path: "/elsewhere"},
	}
}

// mountsOf are cgroup mounts, as "type root mountpoint options".
func mountsOf(lines ...string) (all []*procfs.MountInfo) {
	for _, l := range lines {
		f := strings.Fields(l)
		m := &procfs.MountInfo{FSType: f[0], Root: f[1], MountPoint: f[2], SuperOptions: map[string]string{}}
		for o := range strings.SplitSeq(f[3], ",") {
			m.SuperOptions[o] = ""
		}
		all = append(all, m)
	}
	return all
}

func TestCgroups(t *testing.T) {
	type limits struct {
		CPUs            float64
		CPUFile         string
		Memory, Left    int64
		MemoryFile      string
		Threads, Pids   int64
		ThreadsAreBound bool
	}
	unified := mountsOf("tmpfs / /tmp rw", "cgroup2 / /sys/fs/cgroup rw,nsdelegate")
	split := mountsOf("cgroup / /sys/fs/cgroup/cpu rw,cpu,cpuacct", "cgroup / /sys/fs/cgroup/memory rw,memory", "cgroup / /sys/fs/cgroup/pids rw,pids", "cgroup2 / /sys/fs/cgroup/unified rw")
	none := "9223372036854771712"
	for _, tt := range []struct {
		name   string
		files  map[string]string
		groups []procfs.Cgroup
		mounts []*procfs.MountInfo
		want   limits
	}{
		{"none", nil, v2("/"), unified, limits{}},
		{"not mounted", map[string]string{"sys/fs/cgroup/a/cpu.max": "1 1"}, v2("/a"), nil, limits{}},
		{
			"v2, nothing limited",
			map[string]string{"sys/fs/cgroup/a/cpu.max": "max 100000", "sys/fs/cgroup/a/memory.max": "max", "sys/fs/cgroup/a/pids.max": "max"},
			v2("/a"), unified,
			limits{},
		},
		{
			"v2, the least of all above",
			map[string]string{
				"sys/fs/cgroup/a/cpu.max": "150000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000", "sys/fs/cgroup/a/b/c/cpu.max": "40000 20000",
				"sys/fs/cgroup/a/memory.max": "1000000", "sys/fs/cgroup/a/memory.current": "900000", "sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 500000\nfile 7",
				"sys/fs/cgroup/a/b/memory.max": "800000", "sys/fs/cgroup/a/b/memory.current": "100000",
				"sys/fs/cgroup/a/pids.max": "100", "sys/fs/cgroup/a/pids.current": "95", "sys/fs/cgroup/a/b/c/pids.max": "50", "sys/fs/cgroup/a/b/c/pids.current": "1",
			},
			v2("/a/b/c"), unified,
			limits{1.5, "cpu.max", 800000, 600000, "memory.max", 5, 100, true},
		},
		{
			"v1",
			map[string]string{
				"sys/fs/cgroup/cpu/d/cpu.cfs_quota_us": "50000", "sys/fs/cgroup/cpu/d/cpu.cfs_period_us": "100000",
				"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
				"sys/fs/cgroup/memory/d/memory.limit_in_bytes": "2000000", "sys/fs/cgroup/memory/d/memory.usage_in_bytes": "500000", "sys/fs/cgroup/memory/d/memory.stat": "cache 7\ntotal_inactive_file 100000",
				"sys/fs/cgroup/memory/memory.limit_in_bytes": none,
				"sys/fs/cgroup/pids/d/pids.max":              "20", "sys/fs/cgroup/pids/d/pids.current": "21",
			},
			append(v1("/d", "/d", "/d"), v2("/x")...), split,
			limits{0.5, "cpu.cfs_quota_us", 2000000, 1600000, "memory.limit_in_bytes", -1, 20, true},
		},
		{
			"v1, no limit",
			map[string]string{
				"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000", "sys/fs/cgroup/memory/memory.limit_in_bytes": none, "sys/fs/cgroup/pids/pids.max": "max",
			},
			v1("/", "/", "/"), split,
			limits{},
		},
		{
			"hybrid: memory in v2",
			map[string]string{
				"sys/fs/cgroup/cpu/d/cpu.cfs_quota_us": "100000", "sys/fs/cgroup/cpu/d/cpu.cfs_period_us": "100000", "sys/fs/cgroup/unified/x/memory.max": "5000",
			},
			append(v1("/d", "/d", "/d")[2:], v2("/x/y")...), split,
			limits{1, "cpu.cfs_quota_us", 5000, 5000, "memory.max", 0, 0, false},
		},
		{
			"v1 in a container: the mount shows the group alone",
			map[string]string{
				"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "25000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
			},
			v1("/docker/abc", "/docker/abc", "/docker/abc"), mountsOf("cgroup /docker/abc /sys/fs/cgroup/cpu ro,cpu"),
			limits{CPUs: 0.25, CPUFile: "cpu.cfs_quota_us"},
		},
		{
			"v2 below the mount's root",
			map[string]string{"sys/fs/cgroup/in/cpu.max": "30000 100000"},
			v2("/docker/abc/in"), mountsOf("cgroup2 /docker/abc /sys/fs/cgroup rw"),
			limits{CPUs: 0.3, CPUFile: "cpu.max"},
		},
		{
			"the mount is of another group with a like name",
			map[string]string{"sys/fs/cgroup/cpu.max": "30000 100000", "sys/fs/cgroup/c/cpu.max": "1 100000"},
			v2("/docker/abc"), mountsOf("cgroup2 /docker/ab /sys/fs/cgroup rw"),
			limits{CPUs: 0.3, CPUFile: "cpu.max"},
		},
		{
			"another namespace's group",
			map[string]string{"sys/fs/cgroup/cpu.max": "30000 100000", "sys/fs/cgroup/x/cpu.max": "1 100000"},
			v2("/../x"), unified,
			limits{CPUs: 0.3, CPUFile: "cpu.max"},
		},
		{"malformed", map[string]string{"sys/fs/cgroup/cpu.max": "x y", "sys/fs/cgroup/memory.max": "-", "sys/fs/cgroup/pids.max": ""}, v2("/"), unified, limits{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := findCgroups(files(tt.files), tt.groups, tt.mounts)
			var got limits
			got.CPUs, got.CPUFile = c.cpus()
			got.Memory, got.Left, got.MemoryFile = c.memory()
			got.Threads, got.Pids, got.ThreadsAreBound = c.threads()
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// The group that held back most counts, and only from one reading to the next.
func TestCgroupUse(t *testing.T) {
	use := func(stat, events, above string) CgroupUse {
		return findCgroups(files(map[string]string{
			"cg/a/cpu.stat": stat, "cg/a/memory.events": events, "cg/cpu.stat": above,
		}), v2("/a"), mountsOf("cgroup2 / /cg rw")).use()
	}
	before := use("usage_usec 9\nnr_periods 100\nnr_throttled 10\nthrottled_usec 500", "low 0\nmax 3\noom 1", "nr_periods 7\nnr_throttled 7\nthrottled_usec 7")
	after := use("usage_usec 9\nnr_periods 140\nnr_throttled 48\nthrottled_usec 1200500", "low 0\nmax 8\noom 1", "nr_periods 17\nnr_throttled 9\nthrottled_usec 9")
	want := CgroupHeld{Periods: 40, Throttled: 38, Waited: 1200 * time.Millisecond, Counted: true, MemoryHits: 5}
	if d := cmp.Diff(want, after.Since(before)); d != "" {
		t.Error(d)
	}
	if got := after.Since(CgroupUse{}); got != (CgroupHeld{}) {
		t.Errorf("without an earlier reading: %+v", got)
	}
	old := findCgroups(files(map[string]string{
		"cg/cpu/cpu.stat": "nr_periods 3\nnr_throttled 2\nthrottled_time 5000", "cg/memory/memory.failcnt": "4", "cg/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1",
	}), v1("/", "/", "/"), mountsOf("cgroup / /cg/cpu cpu", "cgroup / /cg/memory memory"))
	none := findCgroups(files(nil), v1("/", "/", "/"), mountsOf("cgroup / /cg/cpu cpu", "cgroup / /cg/memory memory"))
	want = CgroupHeld{Periods: 3, Throttled: 2, Waited: 5 * time.Microsecond, MemoryHits: 4, OOM: 1}
	if d := cmp.Diff(want, old.use().Since(none.use())); d != "" {
		t.Error(d)
	}
}

func TestUsable(t *testing.T) {
	for _, tt := range []struct {
		f        Facts
		cpus     float64
		memory   int64
		byCgroup bool
	}{
		{Facts{CPUs: 4, AvailableBytes: 100}, 4, 100, false},
		{Facts{CPUs: 4, CPUQuota: 0.5, AvailableBytes: 100, CgroupMemoryBytes: 90, CgroupAvailableBytes: 10}, 0.5, 10, true},
		{Facts{CPUs: 2, CPUQuota: 8, AvailableBytes: 100, CgroupMemoryBytes: 900, CgroupAvailableBytes: 800}, 2, 100, false},
		{Facts{CPUs: 2, CgroupMemoryBytes: 50}, 2, 50, true}, // MemAvailable was not read
	} {
		if cpus := tt.f.UsableCPUs(); cpus != tt.cpus {
			t.Errorf("%+v: %v CPUs, want %v", tt.f, cpus, tt.cpus)
		}
		if n, by := tt.f.UsableMemory(); n != tt.memory || by != tt.byCgroup {
			t.Errorf("%+v: %d bytes, by cgroup %v; want %d, %v", tt.f, n, by, tt.memory, tt.byCgroup)
		}
	}
}

func FuzzCgroupFiles(f *testing.F) {
	for _, s := range []string{"max", "max 100000", "50000 100000", "-1", "0 0", "nr_periods 3\nnr_throttled 2", "a", "9223372036854775808", "1e9 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseCPUMax(strings.NewReader(s)); err == nil && (n < 0 || math.IsNaN(n) || math.IsInf(n, 0)) {
			t.Errorf("cpu.max %q: %v CPUs", s, n)
		}
		_, _ = parseLimit(strings.NewReader(s))
		if m, err := parseStat(strings.NewReader(s)); err == nil && len(m) > strings.Count(s, "\n")+1 {
			t.Errorf("%d keys in %q", len(m), s)
		}
	})
}
