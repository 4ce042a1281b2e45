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

// receive takes the handoff of this process from the environment; nil: there is none. What does not come from the parent in just this way is
// ignored: a variable that was left over, or set by somebody, makes no sandbox. An error means that there may be one which cannot be read.
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
	if json.Unmarshal(b[:n], &h) != nil || h.Parent != os.Getppid() {
		return nil, nil
	}
	for _, fd := range pipes {
		if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
			return nil, nil
		}
	}
	return &h, nil
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
