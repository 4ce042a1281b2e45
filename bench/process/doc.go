// Package process starts servers, signals them, finds who owns a listening socket, and leaves no process behind.
//
// A server is the child of a reaper, which is this program executed again (Main). The reaper is the subreaper of all the server's
// descendants (PR_SET_CHILD_SUBREAPER), so it also reaches a daemon that forks away. It ends them all when this process ends, in whatever
// way:
//
//	this process --- reaper --- server --- its children           Group
//	     |             `------- a daemon that forked away
//	     |
//	     `-- init --- reaper --- server ...                       PIDNamespace
//	           `----- reaper --- another one (Spec.Beside)
//
// In a PID namespace the kernel ends what the reaper cannot: everything ends with init, and init with the thread that started it
// (PR_SET_PDEATHSIG). The server itself is not init, because init ignores signals for which it has no handler (pid_namespaces(7)).
//
// Processes are held by pidfd, so that a signal never reaches a later process with the same number.
package process
