package bench

import (
	"fmt"
	"math"

	"github.com/prometheus/procfs"

	"lastack/sockstate/sockio"
)

// lockable is RLIMIT_MEMLOCK in bytes; bound is unset where it bounds nothing: CAP_IPC_LOCK over
// the first user namespace exempts (io_uring_create), and it can be unlimited.
func lockable() (bytes int64, bound bool, err error) {
	self, err := procfs.Self()
	if err != nil {
		return 0, false, fmt.Errorf("read RLIMIT_MEMLOCK: %w", err)
	}
	limits, err := self.Limits()
	if err != nil {
		return 0, false, fmt.Errorf("read RLIMIT_MEMLOCK: %w", err)
	}
	status, err := self.NewStatus()
	if err != nil {
		return 0, false, fmt.Errorf("read the capabilities: %w", err)
	}
	const ipcLock = 1 << 14
	exempt := status.CapEff&ipcLock != 0 && sockio.InInitialUserNamespace()
	return int64(min(limits.LockedMemory, math.MaxInt64)), !exempt && limits.LockedMemory < math.MaxInt64, nil
}
