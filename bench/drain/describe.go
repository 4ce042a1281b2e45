package drain

import (
	"lastack/bench/process"
	"lastack/bench/record"
)

// serverRecord says what this host knows about the server.
func (e *evidence) serverRecord() record.DrainServer {
	s := record.DrainServer{
		SignalFailed: e.server.signalFailed,
		HookS:        e.since(e.hookEnded),
		Ledger:       e.ledger,
	}
	if p := e.server.process; p != nil {
		s.PID, s.Said, s.Contained, s.ContainedReason = p.pid, p.said, p.contained, p.whyNoPIDs
		s.ExitS, s.Stayed, s.ThenSent = e.since(e.exited), e.exited == 0, e.thenSent != 0
		s.StillListening, s.ListenedOn, s.EndedByReload = e.server.listening, e.server.atGrace, e.server.reloadEnded
		switch {
		case s.Stayed || !p.exit.Known:
		case p.exit.Signal != 0:
			s.ExitSignal = process.SignalName(p.exit.Signal)
		default:
			s.ExitCode = new(p.exit.Code)
		}
	}
	if h := e.hook; h != nil {
		s.ByCommand = true
		if e.server.process == nil {
			s.Said = h.said
		} else {
			s.HookSaid = h.said
		}
		if e.hookEnded != 0 && h.exit.Known && h.exit.Signal == 0 {
			s.HookCode = new(h.exit.Code)
		}
	}
	return s
}

// restart says what became of the server that was to take the old one's place.
func (e *evidence) restart() *record.DrainRestart {
	if len(e.stop.Restart) == 0 {
		return nil
	}
	return &record.DrainRestart{StartedS: e.since(e.restarted), ListensS: e.since(e.listening), Failed: e.restartFailed}
}

// unknown says why values are not known. connectionsLeft is set if connections that were open at the signal were still open at the end of
// the watch.
func (e *evidence) unknown(connectionsLeft bool) map[string]string {
	u := make(map[string]string)
	if connectionsLeft {
		u["last_gone_s"] = "connections that were open at the signal were open still when the watch ended"
	}
	s := &e.server
	switch {
	case s.process == nil:
		u["server.exit_s"] = "the server was stopped by a command: only its own host knows"
	case e.exited != 0 && !s.process.exit.Known:
		u["server.exit_code"] = "the process was not started by this run, and this kernel tells only its parent"
	}
	if why := e.whyNothingLeft(); why != "" {
		u["leftover"], u["port"] = why, why
	} else if e.stop.Handover {
		u["port"] = "another server has it by then"
	}
	if e.noLedger != nil {
		u["server.ledger"] = "it could not be read: " + e.noLedger.Error()
	}
	if e.interrupted {
		e.leftOpen(u)
	}
	if len(u) == 0 {
		return nil
	}
	return u
}

// whyNothingLeft says why it is not known what the server has left; it is empty if that is known.
func (e *evidence) whyNothingLeft() string {
	switch s := &e.server; {
	case s.behind:
		return "the server is behind what listens on the target"
	case !s.local:
		return "the server's sockets are not of this host"
	case s.searched && !e.stop.Handover:
		return ""
	case s.process == nil:
		return "somebody listened on the port all the time"
	case e.exited == 0:
		return "the server did not end"
	}
	return ""
}

// leftOpen adds what an interrupt leaves unknown.
func (e *evidence) leftOpen(u map[string]string) {
	const why = "the run was interrupted"
	if e.server.process != nil && e.exited == 0 {
		u["server.exit_s"] = why
	}
	if len(e.server.listening) > 0 {
		u["server.still_listening"] = why
	}
	if len(e.stop.Restart) > 0 && e.listening == 0 {
		u["restart.listens_s"] = why
	}
}
