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

// endDescendants kills descendants until this process ends, which happens when it has reaped the last one. It returns false after patience.
func endDescendants(patience time.Duration) bool {
	self, err := procfs.Self() // by its number in /proc, which may be another than in its PID namespace
	if err != nil {
		return false
	}
	k := killer{killed: make(map[one]bool)}
	pause := time.Millisecond
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		// Do not sleep while there are new processes: they may fork and exit in between. A process that was killed and cannot die yet (in
		// an uninterruptible system call) needs no second signal.
		if k.round(self.PID) {
			runtime.Gosched() // to the goroutine that reaps
			pause = time.Millisecond
			continue
		}
		pause = sleepLonger(pause)
	}
	return false
}

// sleepLonger sleeps for pause, and returns that of the next round: to look at all processes of a host takes milliseconds.
func sleepLonger(pause time.Duration) time.Duration {
	time.Sleep(pause)
	return min(2*pause, 50*time.Millisecond)
}

// killer kills the descendants of the calling process.
type killer struct{ killed map[one]bool }

// round reports whether it found one that it had not killed before.
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

// below kills each as soon as it sees it. The list of children may miss some while others end (proc_pid_children(5)); the next round finds
// them.
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
			if o, ok := lookAt(pid); ok && o.parent == parent { // otherwise the number is another's by now, or root has become its parent
				met = k.kill(o) || met
				met = k.below(pid) || met
			}
		}
	}
	return met
}

// kill reports whether the process was new.
func (k *killer) kill(o one) bool {
	o.parent, o.session = 0, 0 // they may change
	if k.killed[o] {
		return false
	}
	k.killed[o] = true
	_ = o.signal(unix.SIGKILL) // it may have ended, or not be ours to kill
	return true
}
