// Package sandbox does jobs in fresh network namespaces with their own sysctls, port tables, counters and TIME_WAIT sockets. It needs no
// privilege.
//
// A Cell is a job in a sandbox of its own. Start executes this program once more; main calls Main there, which does the job:
//
//	this process                           the cell's process
//	Start(ctx, spec, job)                  Main(jobs)
//	  |  -- spec and job, in a memfd ------> |  links, sysctls, loss, test connections
//	  |  <---- on, or why there is none ---- |
//	*Cell                                    job(ctx, *Sandbox, input, emit)
//	Events  <------- its events ------------ |
//	Stop    -------------------------------> |  its ctx is cancelled
//	Wait    <----- its result, its error --- |
//
// Several cells may run at once. The end of one does not affect the others. A cell's process has no descriptors but its pipes, and its
// command line does not show the job's input. It has a process group of its own: a terminal's Ctrl-C reaches only this process, and
// Ctrl-Z stops and continues all of them.
//
// For a larger connection hash (Spec.EhashEntries) the cell's process executes the program once more, in a namespace inside the first.
//
// Everything ends with the cell's process: no file, link or process is left, whichever of the two is killed. Only orphans whose packets
// are dropped linger in the kernel, for seconds to minutes; a normal end destroys them.
//
// A namespace starts with the kernel's default sysctls, not with the host's. tcp_mem, tcp_max_orphans, file-max, memory and CPU are not
// isolated.
package sandbox
