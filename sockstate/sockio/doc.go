// Package sockio submits socket operations and reaps their completions.
//
// A [Loop] belongs to one goroutine that is locked to its thread. The goroutine
// queues operations on sockets, which it names by slot (see [Sock]), and calls
// [Loop.Wait]; Wait performs what was queued and hands every result to the loop's
// [Handler], from which new operations may be queued. Nothing is performed, and no
// handler called, outside Wait.
//
//	       queue: Dial, Send, Recv, Close ...
//	caller ------------------------------------------> Loop
//	       <------------------------------------------
//	         Wait: Handler.Complete(Completion), one by one
//
// The interface is shaped by io_uring, where an operation is an entry of a ring
// and a slot is a direct descriptor; the epoll backend performs operations itself
// when they are possible at once and arms epoll, edge-triggered, when they are not. [Choose] takes
// io_uring where the kernel has it. What was tried to make them fast, with the figures, stands at
// the types uring and epoll.
package sockio
