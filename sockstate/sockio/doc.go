// Package sockio submits socket operations and reaps their completions.
//
// A [Loop] belongs to one goroutine that is locked to its thread. The goroutine
// queues operations on sockets, which it names by slot (see [Sock]), and calls
// [Loop.Wait]. Wait performs the queued operations and passes each result to the
// loop's [Handler], which may queue new operations. Nothing is performed, and no
// handler called, outside Wait.
//
//	       queue: Dial, Send, Recv, Close ...
//	caller ------------------------------------------> Loop
//	       <------------------------------------------
//	         Wait: Handler.Complete(Completion), one by one
//
// The interface follows io_uring, where an operation is a ring entry and a slot is a
// direct descriptor. The epoll backend performs operations itself: at once if possible,
// otherwise when edge-triggered epoll says so. [Choose] prefers io_uring. The types uring
// and epoll record what was tried to make them fast, with figures.
package sockio
