package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
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
	if len(b) > handoffLimit {
		return nil, fmt.Errorf("%d bytes are too many: the limit is %d", len(b), handoffLimit)
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

// received is the handoff of this process, nil if it is no sandbox's. An error means that it may be one and cannot tell.
var received = sync.OnceValues(receive)

// receive takes the handoff from the environment. What does not come from the parent in just this way is ignored: a variable that was
// left over, or set by somebody, makes no sandbox.
func receive() (*handoff, error) {
	value, ok := os.LookupEnv(envName)
	if !ok {
		return nil, nil
	}
	_ = os.Unsetenv(envName) // the name is valid
	fd, err := strconv.Atoi(value)
	if err != nil || fd <= 2 {
		return nil, nil
	}
	h, err := readHandoff(fd)
	if h == nil {
		return nil, err
	}
	_ = unix.Close(fd)
	unix.CloseOnExec(h.Report)
	return h, nil
}

// readHandoff returns nil for what is no handoff to this process.
func readHandoff(fd int) (*handoff, error) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&handoffSeals != handoffSeals {
		return nil, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	if st.Size > handoffLimit {
		return nil, nil
	}
	b := make([]byte, st.Size)
	n, err := unix.Pread(fd, b, 0)
	if err != nil {
		return nil, os.NewSyscallError("pread", err)
	}
	var h handoff
	if json.Unmarshal(b[:n], &h) != nil || h.Parent != os.Getppid() || h.Report <= 2 {
		return nil, nil
	}
	var pipe unix.Stat_t
	if err := unix.Fstat(h.Report, &pipe); err != nil || pipe.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil, nil
	}
	return &h, nil
}

// CheckHandoff is called by main first. An error means that this process was started to be a sandbox, but cannot read what it is to do:
// it must end, as a program like any other it would make a sandbox of its own, whose process would do the same.
func CheckHandoff() error {
	if _, err := received(); err != nil {
		return fmt.Errorf("the process for the sandbox could not read what it is to do: %w", err)
	}
	return nil
}

// Inside reports whether this process was started by Run, to be the sandbox. main calls it first: from then on
// nothing of the handoff is in the environment.
func Inside() bool {
	h, _ := received() // CheckHandoff has the error
	return h != nil
}

// Extra is Spec.Extra, inside; nil outside.
func Extra() json.RawMessage {
	if h, _ := received(); h != nil {
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
