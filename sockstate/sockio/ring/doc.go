// Package ring is io_uring without cgo: a submission and a completion queue, shared with
// the kernel, for one thread that both submits and completes (IORING_SETUP_SINGLE_ISSUER,
// IORING_SETUP_DEFER_TASKRUN).
//
// # Memory ordering
//
// The kernel touches the queues of such a ring only while its thread is inside
// io_uring_enter. It issues requests there, and defers later completions as task work
// until the thread enters again (io_run_local_work). So the two never access the queues
// at the same time, and the kernel sees writes in program order. The heads and tails are
// accessed atomically all the same: it costs next to nothing and keeps the compiler from
// moving an entry's stores behind its publication. Other CPUs write only the queue's flags
// ([Ring.Pending]).
//
// # The garbage collector
//
// The queues are kernel memory, mapped outside the Go heap. The collector does not see what
// an entry points to, so the caller keeps it reachable until the kernel has read it: a socket
// address until it is submitted, an option until it is set, a buffer until its request has completed. Nothing on a stack may be pointed to, as
// stacks move; heap objects do not.
package ring
