// Package ring is io_uring without cgo: one submission and one completion queue, shared
// with the kernel, of a thread that both submits and completes (IORING_SETUP_SINGLE_ISSUER,
// IORING_SETUP_DEFER_TASKRUN).
//
// # Memory ordering
//
// The kernel touches the queues of such a ring only while its thread is inside
// io_uring_enter: requests are issued there, and what completes later is put off as task
// work until the thread enters again (io_run_local_work). So nothing is shared at the same
// time, and the order in which a program writes an entry, enters, and reads completions is the
// order in which the kernel sees it. The heads and tails are read and written
// atomically all the same, which costs next to nothing and keeps the compiler from moving an
// entry's stores behind its publication. The one word that other CPUs write is the queue's flags
// ([Ring.Pending]).
//
// # The garbage collector
//
// The queues are memory of the kernel's, mapped outside the Go heap. What an entry points
// to is a number to the collector: whoever queues it keeps it reachable until the kernel
// has read it, which for a socket address is when it is submitted, for an option when it is set, which behind a
// link may be a later Enter, and for a buffer when its request has completed. Go's heap objects do not move; a stack's do, so nothing
// on a stack may be pointed to.
package ring
