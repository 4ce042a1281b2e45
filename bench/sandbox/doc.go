// Package sandbox runs lastack in fresh network namespaces with their own sysctls,
// port tables, counters and TIME_WAIT sockets, with privilege or without.
//
// The program re-executes itself in the namespaces; the parent waits and passes
// signals and the exit code on:
//
//	parent                                 child
//	Inside() is false                      Inside() is true
//	Run(ctx, spec) -- clone(CLONE_NEWNET   Enter(): links, sysctls, loss, proof
//	  |               [|CLONE_NEWUSER]) -->  |
//	  | <------------- report, by pipe ----- |
//	  | -- SIGINT, SIGTERM, ... -----------> | the run, with a *Sandbox
//	  | <------------- exit code ----------- |
//
// Where a larger connection hash is wanted, Enter executes the program once more in the same process, in a
// namespace inside of the first (Spec.EhashEntries).
//
// Everything goes with the child: no file, link or process is left, whichever of the
// two is killed. Only orphaned sockets whose packets are dropped linger in the kernel,
// for seconds to minutes; Sandbox.Close destroys them.
//
// A namespace starts with the kernel's default sysctls, not with the host's. Not
// isolated at all are tcp_mem, tcp_max_orphans, file-max, memory and CPU.
package sandbox
