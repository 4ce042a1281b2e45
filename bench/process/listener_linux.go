package process

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Listeners is Listening, and who holds them, for which it reads the descriptors of all processes, if there is a listener.
// To see other users' it needs CAP_SYS_PTRACE.
func Listeners(diag Sockets, addr netip.AddrPort) ([]Listener, error) {
	ls, err := Listening(diag, addr)
	if err != nil || len(ls) == 0 {
		return nil, err
	}
	everybody, err := snapshot()
	if err != nil {
		return nil, err
	}
	everybody = slices.DeleteFunc(everybody, func(o one) bool { return o.kernel })
	found, unreadable := find(inodes(ls), numbers(everybody))
	for i := range ls {
		ls[i].Holders, ls[i].Unreadable = found.by[ls[i].Inode], unreadable
	}
	return ls, nil
}

func inodes(ls []Listener) []uint64 {
	var list []uint64
	for _, l := range ls {
		list = append(list, l.Inode)
	}
	return list
}

// Owns says whether the process, or a descendant, owns the listener of an address, for which ls is what Listeners
// returned.
func (p *Process) Owns(ls []Listener) (Ownership, error) {
	all, err := snapshot()
	if err != nil {
		return Ownership{}, err
	}
	tree := numbers(p.within(all))
	// A process that is not in /proc is hidden (hidepid).
	hidden := p.running() && !slices.Contains(tree, p.pid)
	found, unreadable := find(inodes(ls), tree)
	o := judge(ls, tree, found.by, unreadable == 0 && !hidden)
	o.Unreadable = max(0, o.Unreadable-unreadable)
	o.Activated = slices.ContainsFunc(tree, activated)
	if !p.own {
		o.Master = master(all, p.pid, o.By)
		o.MasterName = comm(o.Master)
	}
	return o, nil
}

// master is the last of the processes above pid that hold a socket of its, as by does.
func master(all []one, pid int, by []int) int {
	parents := make(map[int]int, len(all))
	for _, o := range all {
		parents[o.pid] = o.parent
	}
	found := 0
	for slices.Contains(by, parents[pid]) && !activated(pid) && comm(parents[pid]) != "systemd" {
		pid = parents[pid]
		found = pid
	}
	return found
}

// comm is the name of a process as ps shows it, at most 15 bytes of anything; empty if it has ended.
func comm(pid int) string {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return ""
	}
	name, err := p.Comm()
	if err != nil {
		return ""
	}
	return name
}

// Daemon finds the process that serves in the background for an own one: the holder of one of the listeners that is nearest to the root,
// so a master before its workers. It is 0 if the started process holds them itself, or a child in its session does, as below a shell, and
// if no holder's descriptors can be read. A daemon has left the session, or its parent has ended.
func (p *Process) Daemon(ls []Listener) (int, error) {
	tree, err := p.tree()
	if err != nil {
		return 0, err
	}
	found := newFound(inodes(ls))
	holds := func(pid int) bool {
		found.in(pid)
		return len(found.by) > 0
	}
	return daemonOf(p.pid, tree, holds, func() bool { return !p.handle.ended() }), nil
}

// daemonOf is Daemon on what was read: the tree of root, and which of its processes hold a listener. It asks last whether root lives, which
// may have ended meanwhile.
func daemonOf(root int, tree []one, holds func(pid int) bool, lives func() bool) int {
	i := slices.IndexFunc(tree, func(o one) bool { return holds(o.pid) })
	if i < 0 {
		return 0
	}
	o := tree[i]
	own := o.pid == root || o.session == root && slices.ContainsFunc(below(tree, root), func(d one) bool { return d.pid == o.pid })
	if own && lives() {
		return 0
	}
	return o.pid
}

// Ports lists the addresses of a network namespace on which the processes listen. Of processes whose descriptors may
// not be read there are none.
func Ports(diag Sockets, pids []int) ([]netip.AddrPort, error) {
	all, err := allListeners(diag)
	if err != nil {
		return nil, err
	}
	found, _ := find(inodes(all), pids)
	var addrs []netip.AddrPort
	for _, l := range all {
		if len(found.by[l.Inode]) > 0 {
			addrs = append(addrs, l.Addr)
		}
	}
	slices.SortFunc(addrs, netip.AddrPort.Compare)
	return slices.Compact(addrs), nil
}

// Owners maps sockets, by inode, to the process that has one among its descriptors: the one with the highest number if several have. It
// leaves out a socket that none of them has, or none that may be read.
func Owners(pids []int, inodes []uint64) map[uint64]int {
	found, _ := find(inodes, pids)
	by := make(map[uint64]int, len(found.by))
	for inode, holders := range found.by {
		by[inode] = slices.Max(holders)
	}
	return by
}

// found maps sockets to the processes that have them.
type found struct {
	want map[uint64]bool
	by   map[uint64][]int
}

func newFound(want []uint64) *found {
	f := &found{want: make(map[uint64]bool, len(want)), by: make(map[uint64][]int, len(want))}
	for _, inode := range want {
		f.want[inode] = true
	}
	return f
}

// find looks for sockets among the descriptors of processes, of which it cannot read some.
func find(want []uint64, pids []int) (f *found, unreadable int) {
	f = newFound(want)
	for _, pid := range pids {
		if !f.in(pid) {
			unreadable++
		}
	}
	return f, unreadable
}

// in reads a process's descriptors. It is false if that is not allowed; a process that has ended has none.
func (f *found) in(pid int) (readable bool) {
	dir, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return !errors.Is(err, os.ErrPermission)
	}
	defer dir.Close()
	fd := int(dir.Fd())
	var target [64]byte
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			n, err := unix.Readlinkat(fd, name, target[:])
			if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
				return false // listing needs less than following one (proc_fd_access_allowed)
			}
			inode, ok := parseSocketLink(target[:max(n, 0)])
			if ok && f.want[inode] && !slices.Contains(f.by[inode], pid) {
				f.by[inode] = append(f.by[inode], pid)
			}
		}
		if err != nil {
			return !errors.Is(err, os.ErrPermission)
		}
	}
}

// parseSocketLink reads "socket:[INODE]" (sockfs_dname).
func parseSocketLink(b []byte) (inode uint64, ok bool) {
	b, ok = bytes.CutPrefix(b, []byte("socket:["))
	if !ok {
		return 0, false
	}
	if b, ok = bytes.CutSuffix(b, []byte("]")); !ok {
		return 0, false
	}
	inode, err := strconv.ParseUint(string(b), 10, 64)
	return inode, err == nil
}

// activated reports whether a service manager passed sockets to this process (sd_listen_fds(3)). Its children inherit the variable, with
// its number.
func activated(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && slices.Contains(strings.Split(string(b), "\x00"), "LISTEN_PID="+strconv.Itoa(pid))
}
