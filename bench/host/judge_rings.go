package host

import (
	"fmt"
	"math"

	"lastack/bench/quantity"
	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

const (
	// opBind is IORING_OP_BIND, Linux 6.11: the newest operation that the engine needs (sockio.ProbeRing).
	opBind = 56
	// fewSlots is the size of a fixed-file table below which many rings are needed, with their descriptors and memory.
	fewSlots = 1024
	// enoughInRings is more connections than most loads have.
	enoughInRings = 100_000
)

// hasRings reports whether --engine auto chooses io_uring.
func (j *judge) hasRings() bool {
	return j.features.IOUring.Answer == sockstate.AnswerSupported && j.features.IOUring.N >= opBind
}

// loops are those of a closed loop with all CPUs, to a target and with the embedded server.
func (j *judge) loops() (load, both Loops) {
	n := max(j.facts.CPUs, 1)
	return Loops{Load: n}, Loops{Load: n, Server: n, Listeners: n}
}

// descriptors judges RLIMIT_NOFILE: with io_uring it limits the fixed-file table of each ring, not the
// number of sockets.
func (j *judge) descriptors() {
	hard := int64(min(j.facts.NoFileHard, 1<<62))
	load, both := j.loops()
	with, to := quantity.Count(int64(max(both.FreeFds(hard), 0)/2)), quantity.Count(int64(max(load.FreeFds(hard), 0)))
	remedy := "raise the hard limit: LimitNOFILE= in a systemd unit, --ulimit nofile= for a container, hard nofile in limits.conf for a login" +
		j.atMost("fs.nr_open")
	if !j.hasRings() {
		j.say("descriptors", degradedIf(hard < fewFiles),
			fmt.Sprintf("%s (RLIMIT_NOFILE): %s connections at once with the embedded server, %s to a target", quantity.Count(hard), with, to), remedy)
		return
	}
	j.say("descriptors", degradedIf(hard < fewSlots),
		fmt.Sprintf("%s (RLIMIT_NOFILE): limits the file table of each io_uring ring, not the connections; with --engine epoll %s at once with the embedded server, %s to a target",
			quantity.Count(hard), with, to), remedy)
}

// rings judges RLIMIT_MEMLOCK, which the rings' memory is charged to.
func (j *judge) rings() {
	if !j.hasRings() {
		return
	}
	f := j.facts
	memory, bound := f.LockableMemory()
	if !bound {
		why := "RLIMIT_MEMLOCK is unlimited"
		if memory < math.MaxInt64 {
			why = "io_uring rings are not charged to RLIMIT_MEMLOCK (CAP_IPC_LOCK)"
		}
		j.say("ring memory", OK, why+": only memory limits the connections", "")
		return
	}
	slots := int(min(f.NoFileHard, math.MaxInt32))
	_, each := sockio.RingMemory(slots, 1, slots, false)
	load, both := j.loops()
	with, to := int64(both.MostInRings(1<<24, slots, memory)), int64(load.MostInRings(1<<24, slots, memory))
	j.say("ring memory", degradedIf(with < enoughInRings),
		fmt.Sprintf("%s (RLIMIT_MEMLOCK) for all processes of this user, %s per full ring: io_uring allows about %s connections at once with the embedded server, %s to a target",
			quantity.Bytes(memory), quantity.Bytes(each), quantity.Count(twoDigits(with)), quantity.Count(twoDigits(to))),
		"raise the limit (ulimit -l): LimitMEMLOCK= in a systemd unit, --ulimit memlock= for a container, memlock in limits.conf for a login; if it is too low, --engine auto chooses epoll, provided there are enough descriptors")
}
