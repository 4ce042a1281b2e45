package sandbox

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// envName is the variable that tells the child the number of the descriptor with its handoff. It is unset as soon as it is
// read, so that no process further down gets it.
const envName = "LASTACK_SANDBOX"

// handoffSeals make the file of a handoff what no other is: a memfd that nobody can change any more.
const handoffSeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// handoffLimit bounds a handoff's size in bytes.
const handoffLimit = 16 << 20

// file writes h to a sealed memfd. It is close-on-exec.
func (h *handoff) file() (*os.File, error) {
	b, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("lastack-handoff", flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("lastack-handoff", flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "handoff")
	if _, err = f.Write(b); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, handoffSeals)
		err = os.NewSyscallError("fcntl(F_ADD_SEALS)", err)
	}
	if err != nil {
		_ = f.Close() // err is what matters
		return nil, err
	}
	return f, nil
}

// received is the handoff of this process, nil if it is no sandbox's.
var received = sync.OnceValue(receive)

// receive takes the handoff from the environment. What does not come from the parent in just this way is ignored: a variable that was
// left over, or set by somebody, makes no sandbox.
func receive() *handoff {
	value, ok := os.LookupEnv(envName)
	if !ok {
		return nil
	}
	_ = os.Unsetenv(envName) // the name is valid
	fd, err := strconv.Atoi(value)
	if err != nil || fd <= 2 {
		return nil
	}
	h, ok := readHandoff(fd)
	if !ok {
		return nil
	}
	_ = unix.Close(fd)
	unix.CloseOnExec(h.Report)
	return h
}

func readHandoff(fd int) (*handoff, bool) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&handoffSeals != handoffSeals {
		return nil, false
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Size > handoffLimit {
		return nil, false
	}
	b := make([]byte, st.Size)
	n, err := unix.Pread(fd, b, 0)
	var h handoff
	if err != nil || json.Unmarshal(b[:n], &h) != nil || h.Parent != os.Getppid() || h.Report <= 2 {
		return nil, false
	}
	var pipe unix.Stat_t
	if err := unix.Fstat(h.Report, &pipe); err != nil || pipe.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil, false
	}
	return &h, true
}

// Inside reports whether this process was started by Run, to be the sandbox. main calls it first: from then on
// nothing of the handoff is in the environment.
func Inside() bool { return received() != nil }

// Extra is Spec.Extra, inside; nil outside.
func Extra() json.RawMessage {
	if h := received(); h != nil {
		return h.Spec.Extra
	}
	return nil
}

// HideDescriptors has no program that this one starts get a descriptor above 2 that was left to this one, by a shell or by who started
// that: main calls it early. Spec.Inherit passes some on to the inside.
func HideDescriptors() {
	if unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	// Before Linux 5.11.
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// envWith returns env with the number of the handoff's descriptor instead of any other.
func envWith(env []string, fd int) []string {
	out := make([]string, 0, len(env)+1)
	for _, kv := range env {
		if !strings.HasPrefix(kv, envName+"=") {
			out = append(out, kv)
		}
	}
	return append(out, envName+"="+strconv.Itoa(fd))
}
