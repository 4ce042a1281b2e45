// Package process starts servers, signals them, finds who owns a listening socket, and leaves no process behind.
//
// A server is the child of a reaper, which is this program executed once more (Main). The reaper is the subreaper of all
// descendants of the server (PR_SET_CHILD_SUBREAPER), so that it also reaches a daemon that forks away. It ends them all when this process
// ends, however that happens:
//
//	this process --- reaper --- server --- its children           Group
//	     |             `------- a daemon that forked away
//	     |
//	     `-- init --- reaper --- server ...                       PIDNamespace
//	           `----- reaper --- another one (Spec.Beside)
//
// In a PID namespace the kernel ends what the reaper cannot: all goes with init, and init with the thread
// that started it (PR_SET_PDEATHSIG). Init is no server's place, because signals without a handler are
// ignored there (pid_namespaces(7)).
//
// Processes are held by pidfd: a signal never reaches another that has got the same number since.
package process
