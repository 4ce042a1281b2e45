package process

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// endDescendants kills descendants until this process ends, which it does when it has reaped the last. It returns false after patience.
func endDescendants(patience time.Duration) bool {
	self, err := procfs.Self() // by its number in /proc, which in a PID namespace may not be its own
	if err != nil {
		return false
	}
	k := killer{killed: make(map[one]bool)}
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		// What forks and exits is gone before it is met a second time, so no time is lost while there is
		// something new. What was killed and cannot die yet (in a system call that is not interrupted) needs no
		// second signal.
		if k.round(self.PID) {
			runtime.Gosched() // to who reaps
			continue
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// killer kills what is below the calling process.
type killer struct{ killed map[one]bool }

// round reports whether it has met one that it had not killed.
func (k *killer) round(root int) bool {
	if _, err := os.Stat("/proc/thread-self/children"); err == nil {
		return k.below(root)
	}
	// The kernel is built without CONFIG_PROC_CHILDREN.
	list, err := snapshot()
	if err != nil {
		return false
	}
	met := false
	for _, o := range below(list, root) {
		met = k.kill(o) || met
	}
	return met
}

// below kills each as soon as it is seen. The list of children may lack some while others end (proc_pid_children(5)): they are
// met the next time.
func (k *killer) below(parent int) bool {
	tasks, err := filepath.Glob("/proc/" + strconv.Itoa(parent) + "/task/*/children")
	if err != nil {
		return false
	}
	met := false
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		for _, word := range bytes.Fields(b) {
			pid, err := strconv.Atoi(string(word))
			if err != nil {
				continue
			}
			if o, ok := lookAt(pid); ok && o.parent == parent { // else the number is another's, or it was handed to root meanwhile
				met = k.kill(o) || met
				met = k.below(pid) || met
			}
		}
	}
	return met
}

// kill reports whether it was new.
func (k *killer) kill(o one) bool {
	o.parent, o.session = 0, 0 // they may change
	if k.killed[o] {
		return false
	}
	k.killed[o] = true
	_ = o.signal(unix.SIGKILL) // it may have ended, or not be ours to kill
	return true
}
