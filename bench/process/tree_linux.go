package process

import (
	"errors"
	"slices"
	"strconv"
	"syscall"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// kernelThread is PF_KTHREAD (include/linux/sched.h), in the flags of /proc/PID/stat.
const kernelThread = 0x00200000

// one is a process of a snapshot.
type one struct {
	pid, parent, session int
	started              uint64
	kernel               bool
}

// snapshot lists the living processes, in the order of their numbers. It may miss some that start or end meanwhile.
func snapshot() ([]one, error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, err
	}
	var list []one
	for _, p := range all {
		if o, ok := look(p); ok {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b one) int { return a.pid - b.pid })
	return relook(list, lookAt), nil
}

// relook reads again the processes whose parent is not in the list: the parent ended while the list was read, and the kernel has given them
// another one (forget_original_parent).
func relook(list []one, lookAt func(pid int) (one, bool)) []one {
	lives := make(map[int]bool, len(list))
	for _, o := range list {
		lives[o.pid] = true
	}
	var now []one
	for _, o := range list {
		if o.parent != 0 && !lives[o.parent] {
			again, ok := lookAt(o.pid)
			if !ok || again.started != o.started {
				continue
			}
			o = again
		}
		now = append(now, o)
	}
	return now
}

// look reads one process; ok is false if it has ended.
func look(p procfs.Proc) (o one, ok bool) {
	s, err := p.Stat()
	if err != nil || s.State == "Z" || s.State == "X" {
		return one{}, false
	}
	return one{pid: p.PID, parent: s.PPID, session: s.Session, started: s.Starttime, kernel: s.Flags&kernelThread != 0}, true
}

func lookAt(pid int) (o one, ok bool) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return one{}, false
	}
	return look(p)
}

// below returns the descendants of root, parents before children.
func below(list []one, root int) []one {
	children := make(map[int][]one)
	for _, o := range list {
		children[o.parent] = append(children[o.parent], o)
	}
	found := slices.Clone(children[root])
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].pid]...)
	}
	return found
}

func numbers(list []one) []int {
	var pids []int
	for _, o := range list {
		pids = append(pids, o.pid)
	}
	return pids
}

// Tree lists the living processes of this one's tree, parents before children, by their numbers in /proc. It includes daemons that forked
// away from an own process. It needs no privilege, unless /proc hides others' processes (hidepid).
func (p *Process) Tree() ([]int, error) {
	tree, err := p.tree()
	return numbers(tree), err
}

func (p *Process) tree() ([]one, error) {
	all, err := snapshot()
	if err != nil {
		return nil, err
	}
	return p.within(all), nil
}

// within is the tree in a snapshot.
func (p *Process) within(all []one) []one {
	if r := p.reaperPID(); r != 0 {
		return below(all, r)
	}
	i := slices.IndexFunc(all, func(o one) bool { return o.pid == p.pid })
	if i < 0 || !p.running() {
		return nil
	}
	return append([]one{all[i]}, below(all, p.pid)...)
}

// SignalAll sends a signal to the process and all its descendants, parents before children. It ignores those that have ended meanwhile. The
// error has a *SignalError for each that may not be signalled.
func (p *Process) SignalAll(sig syscall.Signal) error {
	tree, err := p.tree()
	errs := []error{err}
	for _, o := range tree {
		if err := o.signal(sig); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, &SignalError{PID: o.pid, Signal: sig, Own: isOwn(o.pid), Err: err})
		}
	}
	return errors.Join(errs...)
}

// signal signals this process, and never a later one with its number: a directory in /proc is a handle of a process too
// (pidfd_send_signal(2)). The error is ESRCH if it has ended.
func (o *one) signal(sig syscall.Signal) error {
	fd, err := unix.Open("/proc/"+strconv.Itoa(o.pid), unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return unix.ESRCH
	}
	defer unix.Close(fd)
	if !o.lives() {
		return unix.ESRCH
	}
	err = unix.PidfdSendSignal(fd, sig, nil, 0)
	if denied(err) {
		return byNumber(o.pid, sig, err, o.lives)
	}
	return err
}

// lives reports whether the number is still the process's.
func (o *one) lives() bool {
	now, ok := lookAt(o.pid)
	return ok && now.started == o.started
}
