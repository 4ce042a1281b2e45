package host

import (
	"math"
	"os"
	"runtime"

	"github.com/prometheus/procfs"
)

func ownCgroups() (*cgroups, error) {
	self, err := procfs.Self()
	if err != nil {
		return nil, &ReadError{What: "/proc/self", Err: err}
	}
	groups, err := self.Cgroups()
	if err != nil {
		return nil, &ReadError{What: "/proc/self/cgroup", Err: err}
	}
	mounts, err := self.MountInfo()
	if err != nil {
		return nil, &ReadError{What: "/proc/self/mountinfo", Err: err}
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
