package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// /proc/sys/net shows the namespace of the reading thread (net_ctl_header_lookup), so a
// sandbox needs no mount of its own, only the right thread.

// applySysctl writes c in the calling thread's namespace and reads it back: the kernel
// silently rounds and clamps some values.
func applySysctl(c Sysctl) error {
	path := procSys(c.Key)
	if err := writeFile(path, c.Value); err != nil {
		refused := &SysctlError{Sysctl: c, Err: err}
		if b, err := os.ReadFile(path); err == nil {
			refused.Held = strings.Join(strings.Fields(string(b)), " ")
		}
		return refused
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return nil // some keys are triggers and write-only
	}
	if err != nil {
		return &SysctlError{Sysctl: c, Err: err}
	}
	if held := strings.TrimSpace(string(b)); !sameValue(c.Value, held) {
		return &SysctlError{Sysctl: c, Held: held}
	}
	return nil
}

// writeFile writes in one call, as the sysctl handlers require, and never creates a file.
func writeFile(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// proveWritable changes a harmless sysctl of the calling thread's namespace and
// restores it.
func proveWritable() error {
	path := procSys("net.ipv4.tcp_fin_timeout")
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	const probe = "59"
	if err := writeFile(path, probe); err != nil {
		return err
	}
	held, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !sameValue(probe, string(held)) {
		return fmt.Errorf("%s: wrote %s, read %q", path, probe, held)
	}
	return writeFile(path, string(before))
}

// hasIPv6 reports whether link of the calling thread's namespace can have IPv6 addresses.
func hasIPv6(link string) bool {
	return readTrimmed("/proc/sys/net/ipv6/conf/"+link+"/disable_ipv6") == "0"
}
