package host

// What needs a capability, and until when. Without the capability lastack does without, or refuses, and says so.
//
//	namespaces, links, sysctls, loss of a sandbox   SYS_ADMIN, NET_ADMIN          until the load begins
//	io_uring beyond RLIMIT_MEMLOCK                  IPC_LOCK                      to the end: rings may be added
//	local ports below 1024                          NET_BIND_SERVICE              to the end
//	orphans destroyed at a sandbox's end, --flush   NET_ADMIN                     to the end
//	serve --shutdown: filters on sockets            NET_ADMIN, NET_RAW            to the end
//	--server-pid of another user                    SYS_PTRACE                    to the end
//	--output or --ledger that root alone may write  DAC_OVERRIDE, FOWNER, CHOWN   to the end
//
// The parent of a sandbox keeps only those of --output once the sandbox has started. drain keeps everything: each try clones a PID
// namespace (SYS_ADMIN), reads and signals other users' processes (SYS_PTRACE, KILL) and opens packet sockets. With those three a process
// can get the rest, so dropping the rest would protect nobody. Besides, dropping sets no_new_privs, and the programs that drain starts
// must have the rights that a shell would give them.
var (
	RunCapabilities     = []string{"ipc_lock", "net_bind_service"}
	SandboxCapabilities = []string{"net_admin"}
	ServeCapabilities   = []string{"ipc_lock", "net_admin", "net_raw"}
	PIDCapabilities     = []string{"sys_ptrace"}
	FileCapabilities    = []string{"dac_override", "fowner", "chown"}
)
