package host

import (
	"os"
	"strconv"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
)

// CheckThreads returns a *threadsError if fewer threads than need may be started, or an *addressSpaceError if RLIMIT_AS is
// too small for the Go runtime. It ignores a limit that it cannot read.
func CheckThreads(need int64) error {
	var as unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &as) == nil && as.Cur < leastAddressSpace {
		return &addressSpaceError{int64(as.Cur)}
	}
	if c, err := ownCgroups(); err == nil {
		if left, limit, ok := c.threads(); ok && left < need {
			return &threadsError{left, need, pidsMax, limit}
		}
	}
	if limit, err := strconv.ParseInt(readWord(sysctlPath("kernel.threads-max")), 10, 64); err == nil {
		if f, err := os.Open("/proc/loadavg"); err == nil {
			tasks, ok := parseTasks(f)
			_ = f.Close() // opened to read
			if ok && limit-tasks < need {
				return &threadsError{limit - tasks, need, threadsMax, limit}
			}
		}
	}
	if limit, bound := threadLimit(); bound {
		if left := limit - threadsOfUser(); left < need {
			return &threadsError{left, need, nproc, limit}
		}
	}
	return nil
}

// mostToCount is the largest RLIMIT_NPROC for which counting the user's threads is worth the time.
const mostToCount = 1 << 14

// threadLimit is RLIMIT_NPROC. bound is false if the limit is large, or does not apply: to root of the initial user
// namespace, or with CAP_SYS_RESOURCE or CAP_SYS_ADMIN there (copy_process).
func threadLimit() (limit int64, bound bool) {
	var lim unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NPROC, &lim) != nil || lim.Cur > mostToCount {
		return 0, false
	}
	if netns.InInitialUserNamespace() {
		effective, _, err := effectiveCaps()
		if os.Getuid() == 0 || err == nil && effective&setOf([]string{"sys_resource", "sys_admin"}) != 0 {
			return 0, false
		}
	}
	return int64(lim.Cur), true
}

// threadsOfUser counts the threads of all processes of this user.
func threadsOfUser() (n int64) {
	all, _ := procfs.AllProcs() // an incomplete list is better than none
	for _, p := range all {
		status, err := p.NewStatus()
		if err != nil || status.UIDs[0] != uint64(os.Getuid()) {
			continue
		}
		if stat, err := p.Stat(); err == nil {
			n += int64(stat.NumThreads)
		}
	}
	return n
}
