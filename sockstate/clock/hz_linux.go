package clock

import "golang.org/x/sys/unix"

// HZ is CONFIG_HZ, the kernel's ticks a second, 0 if unknown. The resolution of a coarse clock is one tick (posix_get_coarse_res), so this
// works without the file of the kernel's configuration.
func HZ() int {
	var t unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &t); err != nil || t.Sec != 0 || t.Nsec < 100_000 {
		return 0
	}
	return int((1e9 + t.Nsec/2) / t.Nsec)
}
