package verdict

import (
	"lastack/bench/record"
	"lastack/sockstate"
)

// descriptors judges a lack of descriptors of this process, or of files on the host.
func (j *judgement) descriptors() bool {
	n := j.r.Outcomes[sockstate.OutcomeNoFD.String()]
	f := j.r.Pressure.Fds
	if s := j.r.Server; n == 0 && s != nil && s.AcceptErrors["EMFILE"]+s.AcceptErrors["ENFILE"] > 0 {
		j.limit(record.LimitFds, false, "server_no_fd", args{"times": s.AcceptErrors["EMFILE"] + s.AcceptErrors["ENFILE"], "limit": f.Limit})
		j.advise("raise_nofile_both_ends", nil)
		return true
	}
	if n == 0 {
		return false
	}
	if g := j.r.Pressure.Files; g.Limit > 0 && g.Peak >= g.Limit/100*99 {
		j.limit(record.LimitFds, false, "no_file_on_host", args{"attempts": n + j.r.Outcomes[sockstate.OutcomeNoMemory.String()], "open": g.Peak, "limit": g.Limit})
		j.advise("raise_file_max", nil)
		return true
	}
	j.limit(record.LimitFds, false, "no_fd", args{"attempts": n, "in_use": f.Peak, "limit": f.Limit})
	j.advise("raise_nofile", nil)
	return true
}

func fdCodes() []Code {
	return []Code{
		found("server_no_fd", "the embedded server had no descriptor to accept a connection (RLIMIT_NOFILE)", "raise ulimit -n, or hold fewer connections", func(a args) string {
			return "the embedded server had no descriptor for a connection " + a.count("times") + " times (RLIMIT_NOFILE " + a.count("limit") + "): those waited in the accept queue"
		}),
		found("no_file_on_host", "the whole host had no file left (fs.file-max)", "raise fs.file-max, or hold fewer connections", func(a args) string {
			return a.count("attempts") + " attempts found no free file, or no memory for one: " + a.count("open") + " were open on the whole host, which may have " + a.count("limit") + " (fs.file-max)"
		}),
		found("no_fd", "this process had no descriptor left for a socket (RLIMIT_NOFILE)", "raise ulimit -n, or hold fewer connections", func(a args) string {
			return a.count("attempts") + " attempts found no free descriptor: " + a.count("in_use") + " in use of " + a.count("limit") + " (RLIMIT_NOFILE)"
		}),
		remedy("raise_nofile_both_ends", "raise RLIMIT_NOFILE, of which each connection takes two", fixed("raise the limit (ulimit -n), or ask for fewer --connections: each takes a descriptor at both ends")),
		remedy("raise_file_max", "raise fs.file-max", fixed("raise fs.file-max, end what else holds files open, or bound the load with --connections: a socket is a file, a direct descriptor too")),
		remedy("raise_nofile", "raise RLIMIT_NOFILE", fixed("raise the limit: ulimit -n, LimitNOFILE= of systemd, or nofile of the container; or bound the load with --connections")),
	}
}
