package verdict

import (
	"lastack/bench/record"
	"lastack/sockstate"
)

// descriptors judges a lack of descriptors of this process, or of files on the host.
func (j *judgement) descriptors() bool {
	n, f, hosts := j.outcome(sockstate.OutcomeNoFD), j.r.Pressure.Fds, j.r.Pressure.Files
	switch s := j.r.Server; {
	case n > 0 && hosts.Limit > 0 && hosts.Peak >= hosts.Limit/100*99:
		return j.limit(record.LimitFds, false, "no_file_on_host",
			args{"attempts": n + j.outcome(sockstate.OutcomeNoMemory), "open": hosts.Peak, "limit": hosts.Limit}, "raise_file_max")
	case n > 0:
		return j.limit(record.LimitFds, false, "no_fd", args{"attempts": n, "in_use": f.Peak, "limit": f.Limit}, "raise_nofile")
	case s != nil && s.AcceptErrors["EMFILE"]+s.AcceptErrors["ENFILE"] > 0:
		return j.limit(record.LimitFds, false, "server_no_fd", args{"times": s.AcceptErrors["EMFILE"] + s.AcceptErrors["ENFILE"], "limit": f.Limit}, "raise_nofile_both_ends")
	}
	return false
}

func fdCodes() []Code {
	return []Code{
		found("server_no_fd", "the embedded server had no descriptor to accept a connection (RLIMIT_NOFILE)", "raise ulimit -n, or hold fewer connections",
			"the embedded server had no descriptor for a connection {times} times (RLIMIT_NOFILE {limit}): those waited in the accept queue"),
		found("no_file_on_host", "the whole host had no file left (fs.file-max)", "raise fs.file-max, or hold fewer connections",
			"{attempts} attempts found no free file, or no memory for one: {open} were open on the whole host, which may have {limit} (fs.file-max)"),
		found("no_fd", "this process had no descriptor left for a socket (RLIMIT_NOFILE)", "raise ulimit -n, or hold fewer connections",
			"{attempts} attempts found no free descriptor: {in_use} in use of {limit} (RLIMIT_NOFILE)"),
		remedy("raise_nofile_both_ends", "raise RLIMIT_NOFILE, of which each connection takes two",
			"raise the limit (ulimit -n), or ask for fewer --connections: each takes a descriptor at both ends"),
		remedy("raise_file_max", "raise fs.file-max",
			"raise fs.file-max, end what else holds files open, or bound the load with --connections: a socket is a file, a direct descriptor too"),
		remedy("raise_nofile", "raise RLIMIT_NOFILE", "raise the limit: ulimit -n, LimitNOFILE= of systemd, or nofile of the container; or bound the load with --connections"),
	}
}
