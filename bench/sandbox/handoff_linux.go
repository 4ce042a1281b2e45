package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// envName is the variable with the number of the handoff's descriptor. The child unsets it at once, so that its own children do
// not inherit it.
const envName = "LASTACK_SANDBOX"

// handoffSeals identify a handoff's file: a memfd that can no longer be changed.
const handoffSeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// handoffLimit bounds a handoff's size in bytes.
const handoffLimit = 16 << 20

// file writes h to a sealed, close-on-exec memfd.
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
		_ = f.Close() // err matters more
		return nil, err
	}
	return f, nil
}

// receive reads this process's handoff, found by the environment; nil if there is none. It ignores anything that is not a handoff
// from the parent, like a variable that was left over or set by a user. An error means that a handoff cannot be read; the pipes are
// open then.
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
	for _, fd := range pipes {
		unix.CloseOnExec(fd)
	}
	return h, nil
}

// readHandoff returns nil if fd is not a handoff to this process.
func readHandoff(fd int) (*handoff, error) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&handoffSeals != handoffSeals {
		return nil, nil
	}
	var st unix.Stat_t
	for _, fd := range pipes {
		if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
			return nil, nil
		}
	}
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
	if json.Unmarshal(b[:n], &h) != nil || h.Parent != os.Getppid() {
		return nil, nil
	}
	return &h, nil
}

// envWith returns env with envName set to the handoff's descriptor.
func envWith(env []string, fd int) []string {
	out := make([]string, 0, len(env)+1)
	for _, kv := range env {
		if !strings.HasPrefix(kv, envName+"=") {
			out = append(out, kv)
		}
	}
	return append(out, envName+"="+strconv.Itoa(fd))
}
