package record

import "strings"

// Drain is what clients saw while a server stopped or restarted.
type Drain struct {
	Stop DrainStop `json:"stop"`
	// Tries lists the repetitions, at least one, in order.
	Tries []DrainTry `json:"tries"`
}

// DrainStop says how the server was stopped, in terms of the flags.
type DrainStop struct {
	// Way is pid, exec or hook.
	Way     string   `json:"way"`
	PID     int      `json:"pid,omitempty"`
	Command []string `json:"command,omitempty"` // of exec; of hook, the text for the shell
	// Exec is the command that started the server that a hook stops. Also lists the commands that run beside the server.
	Exec   []string   `json:"exec,omitempty"`
	Also   [][]string `json:"also,omitempty"`
	Signal string     `json:"signal,omitempty"` // SIGTERM; none for a hook
	Then   string     `json:"then,omitempty"`   // the signal after Grace
	AfterS float64    `json:"after_s"`
	GraceS float64    `json:"grace_s"`
	// Restart is the command that starts the server again. Handover is set if it started before the signal, so that
	// both servers shared the port.
	Restart  []string `json:"restart,omitempty"`
	Handover bool     `json:"handover,omitempty"`
	// Repeat is the number of tries asked for; an interrupted run has fewer. 0 means 1.
	Repeat int `json:"repeat,omitempty"`
}

// The ways to stop a server.
const (
	DrainByPID  = "pid"
	DrainByExec = "exec"
	DrainByHook = "hook"
)

// DrainTry is one stop. All its times are seconds from the signal, or from the start of the hook. A
// nil time is of an event that did not happen, or is not known; Unknown then says why.
type DrainTry struct {
	// Score sums up the try in one line.
	Score string `json:"score"`
	// Before counts what failed before the signal. No other count includes it.
	Before DrainBefore `json:"before,omitzero"`
	// SignalAtS counts from the start of the load.
	SignalAtS float64 `json:"signal_at_s"`
	// WatchedS is how long clients were watched.
	WatchedS float64 `json:"watched_s"`
	// HaltedS is the longest time after the signal in which this program did not run: it was stopped, or had no CPU. 0
	// means less than a quarter of a second.
	HaltedS float64    `json:"halted_s,omitempty"`
	Order   DrainOrder `json:"order"`

	Server      DrainServer      `json:"server"`
	Also        []DrainAlso      `json:"also,omitempty"`
	Listener    DrainListener    `json:"listener"`
	Connections DrainConnections `json:"connections"`
	Requests    DrainRequests    `json:"requests"`
	// Groups splits Connections and Requests by group, in the plan's order.
	Groups []DrainGroup `json:"groups"`
	Queued *DrainQueued `json:"queued,omitempty"`
	// Restart is nil if none was asked for.
	Restart   *DrainRestart  `json:"restart,omitempty"`
	Reconnect DrainReconnect `json:"reconnect"`
	Leftover  DrainLeftover  `json:"leftover"`
	Port      DrainPort      `json:"port"`
	// LastGoneS is when the last connection that was open at the signal ended.
	LastGoneS *float64 `json:"last_gone_s,omitempty"`

	Moments []DrainMoment `json:"moments"`
	Slices  []DrainSlice  `json:"slices"`

	// Counters is the growth of the kernel's counters over the try.
	Counters map[string]int64 `json:"counters,omitempty"`
	// Accounting lists the checks: every connection and request has exactly one fate, and, in a sandbox, the kernel
	// counted the same.
	Accounting []Check `json:"accounting"`
	// Unknown says why a value is not known, by the path of its key, like "server.exit_s".
	Unknown  map[string]string `json:"unknown,omitempty"`
	Warnings []string          `json:"warnings,omitempty"`
}

// DrainBefore counts what failed before the signal, when the server should have worked.
type DrainBefore struct {
	Lost     int64 `json:"lost,omitempty"`      // requests without a whole reply
	TimedOut int64 `json:"timed_out,omitempty"` // the part of Lost without a reply in time
	Answered int64 `json:"answered,omitempty"`
	// Connects counts connects that were refused or timed out.
	Connects int64 `json:"connects,omitempty"`
}

// DrainOrder says how events are ordered around the signal.
type DrainOrder struct {
	// Source is packets (the kernel's timestamps of SYN, FIN and RST) or clients (when a client's loop saw it).
	Source string `json:"source"`
	// UncertaintyUs bounds the error of a time. With clients it is the measured lag of the load's loops.
	UncertaintyUs float64 `json:"uncertainty_us"`
	// Reason says why there are no packets.
	Reason string `json:"reason,omitempty"`
	// Dropped is the number of packets that the capture missed.
	Dropped int64 `json:"dropped,omitempty"`
}

// DrainServer is the process that stopped.
type DrainServer struct {
	PID int `json:"pid,omitempty"`
	// Contained says what ends the server's children with the run: pid_namespace or process_group. It is empty for a
	// server that the run did not start.
	Contained       string   `json:"contained,omitempty"`
	ContainedReason string   `json:"contained_reason,omitempty"` // why it is not a PID namespace
	ExitS           *float64 `json:"exit_s,omitempty"`
	// ExitCode is set for a process that exited, ExitSignal for one that a signal ended. Neither is known of a process
	// that the run did not start.
	ExitCode   *int   `json:"exit_code,omitempty"`
	ExitSignal string `json:"exit_signal,omitempty"`
	// ThenSent is set if --then was sent after the grace.
	ThenSent bool `json:"then_sent,omitempty"`
	// ByCommand is set if a command, not a signal, stopped the server.
	ByCommand bool `json:"by_command,omitempty"`
	// EndedByReload is set if the server ended on a signal that should have reloaded it, and no other process listened.
	EndedByReload bool `json:"ended_by_reload,omitempty"`
	// SignalFailed says why a signal could not be sent.
	SignalFailed string `json:"signal_failed,omitempty"`
	// Stayed is set if the process still ran when the watch ended: after a reload, because it did not end, or because the
	// run was interrupted.
	Stayed bool `json:"stayed,omitempty"`
	// StillListening lists processes of the old server that still had its listening socket when the watch ended, after
	// the signalled process had ended.
	StillListening []int `json:"still_listening,omitempty"`
	// ListenedOn lists those that still had it after the grace: the stop did not reach them.
	ListenedOn []int `json:"listened_on,omitempty"`
	// HookCode is the hook's exit code, HookS when it ended.
	HookCode *int     `json:"hook_code,omitempty"`
	HookS    *float64 `json:"hook_s,omitempty"`
	// Said is the end of the output of the server, or of the hook.
	Said string `json:"said,omitempty"`
	// HookSaid is the hook's output if Said is the server's.
	HookSaid string `json:"hook_said,omitempty"`
	// Ledger is the server's ledger, if it wrote one (lastack serve --ledger).
	Ledger map[string]int64 `json:"ledger,omitempty"`
}

// DrainAlso is a program that ran beside the server.
type DrainAlso struct {
	Command []string `json:"command"`
	PID     int      `json:"pid,omitempty"`
	// Listens lists the addresses on which it listened when the server started.
	Listens []string `json:"listens,omitempty"`
	// EndedS, Ended and Said are set if it ended too early: when, how, and its last output.
	EndedS *float64 `json:"ended_s,omitempty"`
	Ended  string   `json:"ended,omitempty"`
	Said   string   `json:"said,omitempty"`
}

// DrainListener is what happened to new connections.
type DrainListener struct {
	LastAcceptS   *float64 `json:"last_accept_s,omitempty"`   // the last handshake before the first refusal
	FirstRefusalS *float64 `json:"first_refusal_s,omitempty"` // the first RST to a SYN
	// AcceptsAgainS is the first handshake after the last refusal.
	AcceptsAgainS *float64 `json:"accepts_again_s,omitempty"`
	// RefusedWindowS is the time from the first refusal to AcceptsAgainS, or to the end of the watch if nothing accepted
	// again; 0 without a refusal.
	RefusedWindowS float64 `json:"refused_window_s"`
	// Attempts counts the connects after the signal, and those still pending at the signal. It is the sum of Opened to
	// Failed.
	Attempts int64 `json:"attempts"`
	Opened   int64 `json:"opened"`
	Refused  int64 `json:"refused"`
	TimedOut int64 `json:"timed_out,omitempty"`
	// Pending counts connects without an answer when the load ended.
	Pending int64 `json:"pending,omitempty"`
	// Unreachable counts connects answered by an ICMP error, or without a route. They count as unanswered.
	Unreachable int64 `json:"unreachable,omitempty"`
	// Failed counts connects that failed on this host, without a free port or descriptor. They say nothing about the server.
	Failed int64 `json:"failed,omitempty"`
	// Unserved is the part of Opened whose request the server neither answered in time nor cut. The kernel completes
	// handshakes as long as a process holds the listening socket, even if none accepts.
	Unserved int64 `json:"unserved,omitempty"`
	// Undecided is the part of Opened whose first request had no byte of a reply when the load ended. Whether a process had
	// accepted it is not known.
	Undecided int64 `json:"undecided,omitempty"`
	// UnservedFromS is the first handshake of Unserved after which no connection was accepted.
	UnservedFromS *float64 `json:"unserved_from_s,omitempty"`
	// SlowestConnectS is the longest time of a connect that succeeded after the signal; a dropped SYN is retransmitted after
	// a second. If TimedOut or Pending is above 0, the slowest took longer.
	SlowestConnectS float64 `json:"slowest_connect_s,omitempty"`
}

// NoneAnswered reports whether the server's host answered none of the connects.
func (l *DrainListener) NoneAnswered() bool {
	return l.Attempts > 0 && l.Unanswered()+l.Failed == l.Attempts
}

// Unanswered counts the connects that the server's host neither accepted nor refused.
func (l *DrainListener) Unanswered() int64 { return l.TimedOut + l.Pending + l.Unreachable }

// FailedMostly reports whether more than half of the connects failed on the load's host. Then little is known about the
// server.
func (l *DrainListener) FailedMostly() bool { return 2*l.Failed > l.Attempts }

// Sum is the number of connects with a fate.
func (l *DrainListener) Sum() int64 { return l.Opened + l.Refused + l.Unanswered() + l.Failed }

// DrainConnections counts connections by fate. Opened is the sum of the others, without Kept.
type DrainConnections struct {
	// Opened counts connections that were open at the signal, or opened after it.
	Opened int64 `json:"opened"`
	// FIN and RST count connections that the server ended between requests, or before any.
	FIN int64 `json:"fin"`
	RST int64 `json:"rst"`
	// Cut counts connections that the server ended during a request, see Requests.
	Cut int64 `json:"cut"`
	// Done counts connections that the client closed after its requests were answered.
	Done int64 `json:"done"`
	// Never counts connections that were still open when the watch ended.
	Never int64 `json:"never"`
	// Kept is the part of Never that was opened after the signal, to the new server. It is not a leak.
	Kept int64 `json:"kept,omitempty"`
	// Other counts connections that ended for another reason: a timeout, an error on this host.
	Other int64 `json:"other,omitempty"`
}

// Left counts the connections that were open at the signal and still open when the watch ended.
func (c *DrainConnections) Left() int64 { return c.Never - c.Kept }

// Sum is the number of connections with a fate.
func (c *DrainConnections) Sum() int64 { return c.FIN + c.RST + c.Cut + c.Done + c.Never + c.Other }

// DrainRequests counts requests by fate. Sent is the sum of Completed to Other, without UnderWay.
type DrainRequests struct {
	// Sent counts requests in progress at the signal or sent after it, whole or in part.
	Sent      int64 `json:"sent"`
	Completed int64 `json:"completed"` // answered whole; the connection stays open
	// CompletedClose counts requests answered whole with "Connection: close".
	CompletedClose int64 `json:"completed_close"`
	Answered5xx    int64 `json:"answered_5xx"`
	CutFIN         int64 `json:"cut_fin"`
	CutRST         int64 `json:"cut_rst"`
	TimedOut       int64 `json:"timed_out"`
	// Partial counts requests that were sent only in part, on purpose, and ended without a reply. They are not lost.
	Partial int64 `json:"partial,omitempty"`
	// UnderWay is the part of Sent that was sent before the stop began.
	UnderWay int64 `json:"under_way"`
	// Open counts requests that were neither answered, cut nor timed out when the load ended.
	Open int64 `json:"open,omitempty"`
	// Other counts requests whose reply was not valid.
	Other int64 `json:"other,omitempty"`

	// Raced is the part of CutFIN and CutRST that arrived after the server had closed the connection.
	Raced int64 `json:"raced"`
	// Safe and Unsafe split the lost requests. The server's process has certainly not read a safe one whole, so it may be
	// sent again even if it is not idempotent.
	Safe   int64 `json:"safe"`
	Unsafe int64 `json:"unsafe"`
	// Unreceived is the part of Safe that the server's kernel had not received whole, by the acknowledgement number in its
	// RST, or that this host had not sent whole.
	Unreceived int64 `json:"unreceived,omitempty"`
	// HTTP counts the whole replies (Completed, CompletedClose and Answered5xx) by status class, and as invalid some of
	// Other. HTTPBefore counts those before the signal.
	HTTP       map[string]int64 `json:"http,omitempty"`
	HTTPBefore map[string]int64 `json:"http_before,omitempty"`
	// Total counts all requests of the load, including those before the signal.
	Total int64 `json:"total"`
	// SlowestS is the longest time of an answered request of Sent.
	SlowestS *float64 `json:"slowest_s,omitempty"`
	// GapS is the longest time after the signal without any reply. GapOpen is set if it lasted to the end of the watch, so
	// that GapS is a lower bound.
	GapS    *float64 `json:"gap_s,omitempty"`
	GapOpen bool     `json:"gap_open,omitempty"`
}

// Lost counts the requests that got no whole reply.
func (r *DrainRequests) Lost() int64 { return r.CutFIN + r.CutRST + r.TimedOut + r.Other }

// Answered counts the requests that got a whole reply.
func (r *DrainRequests) Answered() int64 { return r.Completed + r.CompletedClose + r.Answered5xx }

// Sum is the number of requests with a fate.
func (r *DrainRequests) Sum() int64 {
	return r.Answered() + r.Lost() + r.Partial + r.Open
}

// DrainGroup is what one group of clients saw.
type DrainGroup struct {
	// Name is idle, in-flight, arrivals, partial or queued.
	Name        string           `json:"name"`
	OpenAtStop  int64            `json:"open_at_stop"`
	Connections DrainConnections `json:"connections"`
	Requests    DrainRequests    `json:"requests"`
	Refused     int64            `json:"refused"`
	// ConnectsUnanswered counts connects that timed out, were unreachable, or were pending when the load ended.
	ConnectsUnanswered int64 `json:"connects_unanswered,omitempty"`

	// FirstEndS and LastEndS are when the server ended the first and the last connection that was open at the signal.
	FirstEndS *float64 `json:"first_end_s,omitempty"`
	LastEndS  *float64 `json:"last_end_s,omitempty"`
}

// DrainQueued counts the connections that were in the accept queue at the signal, by fate. Connections of other groups are
// among them, since those also connect while the server is halted.
type DrainQueued struct {
	Asked  int64 `json:"asked"`
	Queued int64 `json:"queued"` // the sum of Served to Never; the kernel listed them as not accepted
	// Elsewhere is the part of Asked that was never in that queue: another listener accepted it, or the queue was full.
	Elsewhere int64 `json:"elsewhere,omitempty"`
	Served    int64 `json:"served"`
	Reset     int64 `json:"reset"`
	FIN       int64 `json:"fin"` // ended by FIN unserved
	TimedOut  int64 `json:"timed_out,omitempty"`
	Never     int64 `json:"never,omitempty"` // still open and unserved when the watch ended
}

// DrainRestart is the server that replaces the old one.
type DrainRestart struct {
	StartedS *float64 `json:"started_s,omitempty"` // before the stop (below 0) with a handover
	ListensS *float64 `json:"listens_s,omitempty"` // nil if it never listened on the target
	// Failed says why it did not start.
	Failed string `json:"failed,omitempty"`
}

// DrainReconnect says where clients reconnected that had lost their connection.
type DrainReconnect struct {
	Clients int64 `json:"clients"` // those that tried
	// Landed counts clients that reconnected, by the process that has the connection: old, new, other or unknown.
	Landed map[string]int64 `json:"landed,omitempty"`
	Failed int64            `json:"failed"` // without a connection when the watch ended
	FirstS *float64         `json:"first_s,omitempty"`
	LastS  *float64         `json:"last_s,omitempty"`
}

// Reconnected counts the clients that reconnected.
func (r *DrainReconnect) Reconnected() int64 {
	var n int64
	for _, l := range r.Landed {
		n += l
	}
	return n
}

// DrainLeftover counts the old server's sockets that were left on its port when it had ended.
type DrainLeftover struct {
	Known bool `json:"known"`
	// Earlier counts TIME_WAITs on the port from before the stop. No other count includes them.
	Earlier      int            `json:"earlier,omitempty"`
	States       map[string]int `json:"states,omitempty"` // at the server's end, by state
	TimeWait     int            `json:"time_wait"`
	FinWait2     int            `json:"fin_wait2"` // orphans
	LongestLeftS float64        `json:"longest_left_s,omitempty"`
}

// DrainPort says whether the port could be bound as soon as the server had ended.
type DrainPort struct {
	// Plain is without SO_REUSEADDR, Reuse with it. Each is ok, the errno's name, or empty if it was not tried.
	Plain string `json:"plain,omitempty"`
	Reuse string `json:"reuse,omitempty"`
}

// DrainBound in DrainPort says that the port could be bound.
const DrainBound = "ok"

// DrainMoment is an event of the timeline.
type DrainMoment struct {
	TS   float64 `json:"t_s"`
	What string  `json:"what"`
}

// DrainSlice is a tenth of a second of the timeline.
type DrainSlice struct {
	TS        float64 `json:"t_s"` // its start
	Accepted  int64   `json:"accepted"`
	Refused   int64   `json:"refused"`
	Completed int64   `json:"completed"` // requests, without Answered5xx
	Lost      int64   `json:"lost"`
	// Answered5xx counts requests answered with a 5xx status.
	Answered5xx int64 `json:"answered_5xx,omitempty"`
	FIN         int64 `json:"fin"` // connections that the server ended
	RST         int64 `json:"rst"`
}

// WhyUnknown looks up the path of a key in Unknown, then the paths of its parents.
func (t *DrainTry) WhyUnknown(path string) (why string, ok bool) {
	for path != "" {
		if why, ok := t.Unknown[path]; ok {
			return why, true
		}
		path = path[:max(strings.LastIndex(path, "."), 0)]
	}
	return "", false
}

// Group finds a group by name. It returns nil if the load had none.
func (t *DrainTry) Group(name string) *DrainGroup {
	for i := range t.Groups {
		if t.Groups[i].Name == name {
			return &t.Groups[i]
		}
	}
	return nil
}

// Failed sums what a client would call an outage: requests lost or answered 5xx, and connects refused, unreachable or timed out. It
// does not include what was still pending when the load ended, nor what failed on the load's own host
// (DrainListener.Failed), which the verdict or a warning reports.
func (t *DrainTry) Failed() int64 {
	r, l := &t.Requests, &t.Listener
	return r.Lost() + r.Answered5xx + l.Refused + l.TimedOut + l.Unreachable
}
