package host

import (
	"fmt"
	"math"
	"sort"

	"lastack/bench/quantity"
	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

const (
	// opBind is IORING_OP_BIND, Linux 6.11: the newest operation that the engine needs (sockio.ProbeRing).
	opBind = 56
	// fewPlaces is a table so small that rings take more descriptors and memory than they should.
	fewPlaces = 1024
	// enoughInRings is a number of connections that most loads stay below.
	enoughInRings = 100_000
	// serverSlack is what the embedded server's loops have beyond their connections.
	serverSlack = 4096
	// triedRings is what the rings by which the kernel was tried may still be charged with.
	triedRings = 48 << 10
)

// hasRings reports whether --engine auto takes io_uring.
func (j *judge) hasRings() bool {
	return j.features.IOUring.Answer == sockstate.AnswerSupported && j.features.IOUring.N >= opBind
}

// descriptors says what RLIMIT_NOFILE bears: with io_uring it bounds the table of each ring, not the
// sockets of all together.
func (j *judge) descriptors() {
	hard := int64(min(j.facts.NoFileHard, 1<<62))
	with, to := quantity.Count(max(0, hard-ownFiles)/2), quantity.Count(max(0, hard-ownFiles))
	remedy := "raise the hard limit: LimitNOFILE= in a systemd unit, --ulimit nofile= for a container, hard nofile in limits.conf for a login" +
		j.atMost("fs.nr_open")
	if !j.hasRings() {
		j.say("descriptors", degradedIf(hard < fewFiles),
			fmt.Sprintf("%s (RLIMIT_NOFILE): %s connections at once with the embedded server, %s to a target", quantity.Count(hard), with, to), remedy)
		return
	}
	j.say("descriptors", degradedIf(hard < fewPlaces),
		fmt.Sprintf("%s (RLIMIT_NOFILE): bounds the table of each ring of io_uring, not the connections; with --engine epoll %s at once with the embedded server, %s to a target",
			quantity.Count(hard), with, to), remedy)
}

// rings says what the queues of the rings are charged with.
func (j *judge) rings() {
	if !j.hasRings() {
		return
	}
	f := j.facts
	memory, bound := f.LockableMemory()
	if !bound {
		why := "RLIMIT_MEMLOCK is unlimited"
		if memory < math.MaxInt64 {
			why = "rings of io_uring are not charged against RLIMIT_MEMLOCK (CAP_IPC_LOCK)"
		}
		j.say("ring memory", OK, why+": memory bounds the connections", "")
		return
	}
	places := int(min(f.NoFileHard, math.MaxInt32))
	_, each := sockio.RingMemory(places, 1, places, false)
	with, to := mostInRings(places, f.CPUs, memory, true), mostInRings(places, f.CPUs, memory, false)
	j.say("ring memory", degradedIf(with < enoughInRings),
		fmt.Sprintf("%s (RLIMIT_MEMLOCK) for all processes of this user, %s a full ring: io_uring bears about %s connections at once with the embedded server, %s to a target",
			quantity.Bytes(memory), quantity.Bytes(each), quantity.Count(twoDigits(with)), quantity.Count(twoDigits(to))),
		"raise the limit (ulimit -l): LimitMEMLOCK= in a systemd unit, --ulimit memlock= for a container, memlock in limits.conf for a login; where it is too low --engine auto takes epoll, if the descriptors suffice")
}

// mostInRings is how many connections the rings of so many loops hold in so many bytes of RLIMIT_MEMLOCK: the
// load's, and with server as many loops of the embedded server. nofile bounds a ring's table.
func mostInRings(nofile, loops int, memory int64, server bool) int64 {
	loops = max(loops, 1)
	return int64(sort.Search(1<<24, func(n int) bool {
		each := n/loops + 1
		_, bytes := sockio.RingMemory(each, each, nofile, false)
		if server {
			_, more := sockio.RingMemory(each+each/4+serverSlack, each, nofile, true)
			bytes += more
		}
		return bytes*int64(loops) > memory-triedRings
	}))
}
