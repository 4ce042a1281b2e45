// Package sandbox carries out jobs in fresh network namespaces, with their own sysctls, port tables, counters and TIME_WAIT sockets, with
// privilege or without.
//
// A Cell is a job in a sandbox of its own. A process of this program does it, which Start executes and which gets the job from main by
// way of Main:
//
//	this process                           the cell's process
//	Start(ctx, spec, job)                  Main(jobs)
//	  |  -- spec and job, in a memfd ------> |  links, sysctls, loss, proof
//	  |  <---- on, or why it cannot be ----- |
//	*Cell                                    job(ctx, *Sandbox, input, emit)
//	Events  <------- what it emits --------- |
//	Stop    -------------------------------> |  its ctx is cancelled
//	Wait    <----- its result, its error --- |
//
// Several cells may be under way at once. How one ends is its own error and nobody else's. A cell's process has no other descriptors than
// its pipes, no command line that would show the job's input, and a process group of its own: a terminal's Ctrl-C reaches this process
// alone, and its Ctrl-Z stops and continues all of them.
//
// Where a larger connection hash is wanted, the cell's process executes the program once more, in a namespace inside of the first
// (Spec.EhashEntries).
//
// Everything goes with the cell's process: no file, link or process is left, whichever of the two is killed. Only orphaned sockets
// whose packets are dropped linger in the kernel, for seconds to minutes; an orderly end destroys them.
//
// A namespace starts with the kernel's default sysctls, not with the host's. Not isolated at all are tcp_mem, tcp_max_orphans, file-max,
// memory and CPU.
package sandbox
