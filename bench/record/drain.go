package record

import "strings"

// Drain is what clients suffered while a server stopped, restarted or rolled.
type Drain struct {
	Stop DrainStop `json:"stop"`
	// Tries are the repetitions, in order; at least one.
	Tries []DrainTry `json:"tries"`
}

// DrainStop says how the server was stopped, in the words of the flags.
type DrainStop struct {
	// Way is pid, exec or hook.
	Way     string   `json:"way"`
	PID     int      `json:"pid,omitempty"`
	Command []string `json:"command,omitempty"` // of exec; of hook, what a shell was given
	// Exec is the command that started a server that the hook stops; Also are those that run beside a server.
	Exec   []string   `json:"exec,omitempty"`
	Also   [][]string `json:"also,omitempty"`
	Signal string     `json:"signal,omitempty"` // SIGTERM; none for a hook
	Then   string     `json:"then,omitempty"`   // the signal after Grace
	AfterS float64    `json:"after_s"`
	GraceS float64    `json:"grace_s"`
	// Restart is the command that brings the server back; Handover is set where it was started before the signal,
	// so that both shared the port.
	Restart  []string `json:"restart,omitempty"`
	Handover bool     `json:"handover,omitempty"`
	// Repeat is the number of tries asked for; Tries are fewer where the run was interrupted. 0 means 1.
	Repeat int `json:"repeat,omitempty"`
}

// The ways to stop a server.
const (
	DrainByPID  = "pid"
	DrainByExec = "exec"
	DrainByHook = "hook"
)

// DrainTry is one stop. All its times are seconds from the signal, or from the start of the hook; a
// nil time is one that did not come, or could not be known: Unknown then says why.
type DrainTry struct {
	// Score is the try in one line.
	Score string `json:"score"`
	// Before is what failed before the signal, and is in no other count.
	Before DrainBefore `json:"before,omitzero"`
	// SignalAtS is from the start of the load.
	SignalAtS float64 `json:"signal_at_s"`
	// WatchedS is how long clients were watched.
	WatchedS float64 `json:"watched_s"`
	// HaltedS is the longest time after the signal in which this program did not run, halted or without a CPU; 0 for
	// less than a quarter of a second.
	HaltedS float64    `json:"halted_s,omitempty"`
	Order   DrainOrder `json:"order"`

	Server      DrainServer      `json:"server"`
	Also        []DrainAlso      `json:"also,omitempty"`
	Listener    DrainListener    `json:"listener"`
	Connections DrainConnections `json:"connections"`
	Requests    DrainRequests    `json:"requests"`
	// Groups splits Connections and Requests by the groups of the plan, in its order.
	Groups []DrainGroup `json:"groups"`
	Queued *DrainQueued `json:"queued,omitempty"`
	// Restart is nil where none was asked for.
	Restart   *DrainRestart  `json:"restart,omitempty"`
	Reconnect DrainReconnect `json:"reconnect"`
	Leftover  DrainLeftover  `json:"leftover"`
	Port      DrainPort      `json:"port"`
	// LastGoneS is when the last connection that was open at the signal was gone.
	LastGoneS *float64 `json:"last_gone_s,omitempty"`

	Moments []DrainMoment `json:"moments"`
	Slices  []DrainSlice  `json:"slices"`

	// Counters is the growth of the kernel's counters over the try.
	Counters map[string]int64 `json:"counters,omitempty"`
	// Accounting lists what must agree: each connection and each request has one fate, and, in a sandbox, the
	// kernel counted the same.
	Accounting []Check `json:"accounting"`
	// Unknown says why something could not be known, by the path of its key: "server.exit_s".
	Unknown  map[string]string `json:"unknown,omitempty"`
	Warnings []string          `json:"warnings,omitempty"`
}

// DrainBefore counts what failed while the load was held: by a server that did not work already.
type DrainBefore struct {
	Lost     int64 `json:"lost,omitempty"`      // requests never answered in whole
	TimedOut int64 `json:"timed_out,omitempty"` // those of Lost without a reply in time
	Answered int64 `json:"answered,omitempty"`
	// Connects were refused, or had no answer in time.
	Connects int64 `json:"connects,omitempty"`
}

// DrainOrder says how well events before and after the signal are told apart.
type DrainOrder struct {
	// Source is packets (timestamps of SYN, FIN and RST by the kernel) or clients (when a loop saw it).
	Source string `json:"source"`
	// UncertaintyUs bounds the error of a time: with clients it is the measured lag of the load's loops.
	UncertaintyUs float64 `json:"uncertainty_us"`
	// Reason is why there are no packets.
	Reason string `json:"reason,omitempty"`
	// Dropped is the number of packets that the capture missed.
	Dropped int64 `json:"dropped,omitempty"`
}

// DrainServer is the process that stopped.
type DrainServer struct {
	PID int `json:"pid,omitempty"`
	// Contained says what keeps the server's children from outliving the run: pid_namespace, process_group, or
	// nothing for a server that is not the run's own.
	Contained       string   `json:"contained,omitempty"`
	ContainedReason string   `json:"contained_reason,omitempty"` // why it is not a PID namespace
	ExitS           *float64 `json:"exit_s,omitempty"`
	// ExitCode is of a process that ended by itself, ExitSignal of one that a signal ended. Neither can be known
	// of a process that is not the run's own.
	ExitCode   *int   `json:"exit_code,omitempty"`
	ExitSignal string `json:"exit_signal,omitempty"`
	// ThenSent is set where the grace was over and the second signal was sent, or the first after a stop command.
	ThenSent bool `json:"then_sent,omitempty"`
	// ByCommand is set where a command was to stop the server, and not a signal.
	ByCommand bool `json:"by_command,omitempty"`
	// EndedByReload is set where the signal was a reload's, by which the server was to stay, and it ended, with nobody else
	// on its port.
	EndedByReload bool `json:"ended_by_reload,omitempty"`
	// SignalFailed says why the signal, or the second one, could not be sent.
	SignalFailed string `json:"signal_failed,omitempty"`
	// Stayed is set where the process was there still when the watch ended: after a reload, or because it does not
	// end, or did not come to it before an interrupt.
	Stayed bool `json:"stayed,omitempty"`
	// StillListening are processes of the old server that had its listening socket still when the watch ended,
	// though the process that was signalled was gone.
	StillListening []int `json:"still_listening,omitempty"`
	// ListenedOn are those that had it still when the grace was over: the stop did not reach them.
	ListenedOn []int `json:"listened_on,omitempty"`
	// HookCode is the hook's exit code, HookS when it ended.
	HookCode *int     `json:"hook_code,omitempty"`
	HookS    *float64 `json:"hook_s,omitempty"`
	// Said is the end of what the server, or the hook, wrote to stderr and stdout.
	Said string `json:"said,omitempty"`
	// HookSaid is what the hook wrote where the server has words of its own.
	HookSaid string `json:"hook_said,omitempty"`
	// Ledger is the server's own, where it wrote one (lastack serve --ledger).
	Ledger map[string]int64 `json:"ledger,omitempty"`
}

// DrainAlso is a program that ran beside the server.
type DrainAlso struct {
	Command []string `json:"command"`
	PID     int      `json:"pid,omitempty"`
	// Listens are the addresses on which it listened when the server was started.
	Listens []string `json:"listens,omitempty"`
	// EndedS, Ended and Said are when, how and with which last words one ended that was to live to the end.
	EndedS *float64 `json:"ended_s,omitempty"`
	Ended  string   `json:"ended,omitempty"`
	Said   string   `json:"said,omitempty"`
}

// DrainListener is what happened to new connections.
type DrainListener struct {
	LastAcceptS   *float64 `json:"last_accept_s,omitempty"`   // the last handshake before the refusals
	FirstRefusalS *float64 `json:"first_refusal_s,omitempty"` // the first RST to a SYN
	// AcceptsAgainS is the first handshake after the refusals.
	AcceptsAgainS *float64 `json:"accepts_again_s,omitempty"`
	// RefusedWindowS is from the first refusal to AcceptsAgainS, or to the end of the watch where
	// nothing accepted again; 0 without a refusal.
	RefusedWindowS float64 `json:"refused_window_s"`
	// Attempts are the connects after the signal, those whose answer was still to come at the signal too: Attempts =
	// the sum of Opened to Failed.
	Attempts int64 `json:"attempts"`
	Opened   int64 `json:"opened"`
	Refused  int64 `json:"refused"`
	TimedOut int64 `json:"timed_out,omitempty"`
	// Pending had no answer yet when the load ended.
	Pending int64 `json:"pending,omitempty"`
	// Unreachable were answered by an ICMP error, or had no way to the address (any more): as good as unanswered.
	Unreachable int64 `json:"unreachable,omitempty"`
	// Failed are those that this host refused, for want of a port or a descriptor: no word about the server.
	Failed int64 `json:"failed,omitempty"`
	// Unserved is the part of Opened whose request was neither answered in time nor ended by the server. The kernel completes
	// handshakes while a process holds the listening socket, whether or not it accepts.
	Unserved int64 `json:"unserved,omitempty"`
	// Undecided is the part of Opened whose first request was under way when the load ended, without a byte of a reply:
	// whether a process had accepted it is not known.
	Undecided int64 `json:"undecided,omitempty"`
	// UnservedFromS is the first handshake of Unserved, where no process was seen accepting a connection opened later.
	UnservedFromS *float64 `json:"unserved_from_s,omitempty"`
	// SlowestConnectS is the longest that a connect took which succeeded after the signal: SYNs that
	// were dropped come again after a second. With TimedOut or Pending above 0 the slowest took longer.
	SlowestConnectS float64 `json:"slowest_connect_s,omitempty"`
}

// NoneAnswered reports whether the server's host answered none of the connects.
func (l *DrainListener) NoneAnswered() bool {
	return l.Attempts > 0 && l.Unanswered()+l.Failed == l.Attempts
}

// Unanswered is the number of connects that the server's host neither took nor refused.
func (l *DrainListener) Unanswered() int64 { return l.TimedOut + l.Pending + l.Unreachable }

// FailedMostly reports whether more than half of the connects failed on the load's own host: then little is known of what
// the server did to new connections.
func (l *DrainListener) FailedMostly() bool { return 2*l.Failed > l.Attempts }

// Sum is the number of connects with a fate.
func (l *DrainListener) Sum() int64 { return l.Opened + l.Refused + l.Unanswered() + l.Failed }

// DrainConnections counts the fates of connections: opened = the sum of the others.
type DrainConnections struct {
	// Opened are those that were open at the signal, or opened after it.
	Opened int64 `json:"opened"`
	// FIN and RST were ended by the server between requests, or before any.
	FIN int64 `json:"fin"`
	RST int64 `json:"rst"`
	// Cut were ended by the server in a request: see Requests.
	Cut int64 `json:"cut"`
	// Done were closed by the client, its requests answered.
	Done int64 `json:"done"`
	// Never were still open when the watch ended.
	Never int64 `json:"never"`
	// Kept are those of Never that were opened after the signal: with the server that came back, or that had
	// the port handed over, and so no leak.
	Kept int64 `json:"kept,omitempty"`
	// Other ended for another reason: a timeout, an error of this host.
	Other int64 `json:"other,omitempty"`
}

// Left is the number of those open at the signal that were open still when the watch ended.
func (c *DrainConnections) Left() int64 { return c.Never - c.Kept }

// Sum is the number of connections with a fate.
func (c *DrainConnections) Sum() int64 { return c.FIN + c.RST + c.Cut + c.Done + c.Never + c.Other }

// DrainRequests counts the fates of requests: sent = the sum of completed to open.
type DrainRequests struct {
	// Sent are those under way at the signal, or sent after it, whole or in part.
	Sent      int64 `json:"sent"`
	Completed int64 `json:"completed"` // answered in whole, and the connection may be used on
	// CompletedClose were answered in whole with "Connection: close".
	CompletedClose int64 `json:"completed_close"`
	Answered5xx    int64 `json:"answered_5xx"`
	CutFIN         int64 `json:"cut_fin"`
	CutRST         int64 `json:"cut_rst"`
	TimedOut       int64 `json:"timed_out"`
	// Partial were sent in part only, on purpose, and ended without a reply: no loss.
	Partial int64 `json:"partial,omitempty"`
	// UnderWay is the part of Sent that had been sent when the stop began.
	UnderWay int64 `json:"under_way"`
	// Open were neither answered nor cut when the load ended, nor had their time run out.
	Open int64 `json:"open,omitempty"`
	// Other are replies that were none.
	Other int64 `json:"other,omitempty"`

	// Raced are those of CutFIN and CutRST that were sent when the server had closed the connection already.
	Raced int64 `json:"raced"`
	// Safe and Unsafe split what was lost: a safe request has certainly not been read whole by the server's process, so
	// that even one that is not idempotent may be sent again.
	Safe   int64 `json:"safe"`
	Unsafe int64 `json:"unsafe"`
	// Unreceived is the part of Safe that the server's kernel had not received whole, by the acknowledgement in its RST,
	// or that this host had not sent whole.
	Unreceived int64 `json:"unreceived,omitempty"`
	// HTTP counts the whole replies by status class, those of Completed, CompletedClose and Answered5xx; and as invalid,
	// replies that are among Other. HTTPBefore counts those before the signal.
	HTTP       map[string]int64 `json:"http,omitempty"`
	HTTPBefore map[string]int64 `json:"http_before,omitempty"`
	// Total is the number of requests of the whole load, those before the signal too.
	Total int64 `json:"total"`
	// SlowestS is the longest that a request of Sent took which was answered.
	SlowestS *float64 `json:"slowest_s,omitempty"`
	// GapS is the longest time after the signal without a reply to anybody. GapOpen is set where no reply ended it before
	// the watch did: it is a lower bound.
	GapS    *float64 `json:"gap_s,omitempty"`
	GapOpen bool     `json:"gap_open,omitempty"`
}

// Lost is the number of requests that were never answered in whole.
func (r *DrainRequests) Lost() int64 { return r.CutFIN + r.CutRST + r.TimedOut + r.Other }

// Sum is the number of requests with a fate.
func (r *DrainRequests) Sum() int64 {
	return r.Completed + r.CompletedClose + r.Answered5xx + r.Lost() + r.Partial + r.Open
}

// DrainGroup is what one group of clients saw.
type DrainGroup struct {
	// Name is idle, in-flight, arrivals, partial or queued.
	Name        string           `json:"name"`
	OpenAtStop  int64            `json:"open_at_stop"`
	Connections DrainConnections `json:"connections"`
	Requests    DrainRequests    `json:"requests"`
	Refused     int64            `json:"refused"`
	// ConnectsUnanswered are those connects that timed out, were unreachable, or had no answer yet when the load ended.
	ConnectsUnanswered int64 `json:"connects_unanswered,omitempty"`

	FirstEndS *float64 `json:"first_end_s,omitempty"` // the first and the last of those open at the signal that the server ended
	LastEndS  *float64 `json:"last_end_s,omitempty"`
}

// DrainQueued is what became of the connections that were in the accept queue at the signal: queued = the sum of the
// fates. Those of other groups are among them, as they connect too while the server is halted.
type DrainQueued struct {
	Asked  int64 `json:"asked"`
	Queued int64 `json:"queued"` // found by the kernel among the connections that nobody had accepted
	// Elsewhere are those of Asked that were never in that queue: another listener of the port took them, or there was no room.
	Elsewhere int64 `json:"elsewhere,omitempty"`
	Served    int64 `json:"served"`
	Reset     int64 `json:"reset"`
	FIN       int64 `json:"fin"` // ended by FIN unserved
	TimedOut  int64 `json:"timed_out,omitempty"`
	Never     int64 `json:"never,omitempty"` // open still, and unserved, when the watch ended
}

// DrainRestart is the server that was to take the old one's place.
type DrainRestart struct {
	StartedS *float64 `json:"started_s,omitempty"` // before the stop (below 0) with a handover
	ListensS *float64 `json:"listens_s,omitempty"` // nil: it never listened on the target
	// Failed says why it did not come up.
	Failed string `json:"failed,omitempty"`
}

// DrainReconnect is where clients went that had lost their connection.
type DrainReconnect struct {
	Clients int64 `json:"clients"` // that tried
	// Landed counts those that got a connection again, by who has it: old, new, other or unknown.
	Landed map[string]int64 `json:"landed,omitempty"`
	Failed int64            `json:"failed"` // had none when the watch ended
	FirstS *float64         `json:"first_s,omitempty"`
	LastS  *float64         `json:"last_s,omitempty"`
}

// Reconnected is the number of clients that got a connection again.
func (r *DrainReconnect) Reconnected() int64 {
	var n int64
	for _, l := range r.Landed {
		n += l
	}
	return n
}

// DrainLeftover counts what was left of the old server's sockets on its port when it was gone.
type DrainLeftover struct {
	Known bool `json:"known"`
	// Earlier are TIME_WAITs on the port of connections that had ended before the stop began; they are in no other count.
	Earlier      int            `json:"earlier,omitempty"`
	States       map[string]int `json:"states,omitempty"` // at the server's end, by state
	TimeWait     int            `json:"time_wait"`
	FinWait2     int            `json:"fin_wait2"` // orphans
	LongestLeftS float64        `json:"longest_left_s,omitempty"`
}

// DrainPort says whether the port could be bound at once when the server was gone.
type DrainPort struct {
	// Plain is without SO_REUSEADDR, Reuse with it: ok, or the errno's name. Empty where it was not tried.
	Plain string `json:"plain,omitempty"`
	Reuse string `json:"reuse,omitempty"`
}

// DrainBound is what DrainPort holds where the port could be bound.
const DrainBound = "ok"

// DrainMoment is an event of the timeline.
type DrainMoment struct {
	TS   float64 `json:"t_s"`
	What string  `json:"what"`
}

// DrainSlice is a tenth of a second of the timeline.
type DrainSlice struct {
	TS        float64 `json:"t_s"` // its begin
	Accepted  int64   `json:"accepted"`
	Refused   int64   `json:"refused"`
	Completed int64   `json:"completed"` // requests, those of Answered5xx not among them
	Lost      int64   `json:"lost"`
	// Answered5xx are the requests answered with a status of 5xx.
	Answered5xx int64 `json:"answered_5xx,omitempty"`
	FIN         int64 `json:"fin"` // connections that the server ended
	RST         int64 `json:"rst"`
}

// WhyUnknown looks the path of a key up in Unknown, then what the key is part of.
func (t *DrainTry) WhyUnknown(path string) (why string, ok bool) {
	for path != "" {
		if why, ok := t.Unknown[path]; ok {
			return why, true
		}
		path = path[:max(strings.LastIndex(path, "."), 0)]
	}
	return "", false
}

// Group finds the group of that name, nil where the load had none.
func (t *DrainTry) Group(name string) *DrainGroup {
	for i := range t.Groups {
		if t.Groups[i].Name == name {
			return &t.Groups[i]
		}
	}
	return nil
}

// Failed sums what a client would call an outage: requests lost or answered 5xx, and connects refused, unreachable
// or not answered in time. What had no answer yet when the load ended is not among it: its time had not run out. What failed on the load's own host
// (DrainListener.Failed) is not the server's: the verdict or a warning tells it.
func (t *DrainTry) Failed() int64 {
	r, l := &t.Requests, &t.Listener
	return r.Lost() + r.Answered5xx + l.Refused + l.TimedOut + l.Unreachable
}
