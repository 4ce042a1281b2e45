package ladder

import "lastack/sockstate"

// Code names a kind of step.
type Code string

// The kinds of steps.
const (
	codeSYN            Code = "syn"
	codeSYNAgain       Code = "syn_again"
	codeSYNReopens     Code = "syn_reopens"
	codeSYNReuses      Code = "syn_reuses"
	codeSYNACK         Code = "syn_ack"
	codeSYNACKAgain    Code = "syn_ack_again"
	codeOpen           Code = "open"
	codeData           Code = "data"
	codeDataAgain      Code = "data_again"
	codeDataHalf       Code = "data_half_closed"
	codeOpenData       Code = "open_data"
	codeACK            Code = "ack"
	codeFINFirst       Code = "fin_first"
	codeFINHalf        Code = "fin_half"
	codeFINLinger      Code = "fin_linger"
	codeFINSecond      Code = "fin_second"
	codeFINMerged      Code = "fin_merged"
	codeFINCrossing    Code = "fin_crossing"
	codeFINAgain       Code = "fin_again"
	codeACKOfFIN       Code = "ack_of_fin"
	codeLastACK        Code = "last_ack"
	codeLastACKAgain   Code = "last_ack_again"
	codeCrossingACK    Code = "crossing_ack"
	codeClosingACK     Code = "closing_ack"
	codeTimeWaitSays   Code = "time_wait_answers"
	codeRSTLinger      Code = "rst_linger"
	codeRSTUnread      Code = "rst_unread"
	codeRSTCloseWait   Code = "rst_close_wait"
	codeRSTOther       Code = "rst"
	codeRSTNoSocket    Code = "rst_no_socket"
	codeRSTKills       Code = "rst_kills_time_wait"
	codeRSTIgnored     Code = "rst_ignored"
	codeRefused        Code = "refused"
	codeReplayed       Code = "replayed"
	codeArrives        Code = "arrives"
	codeTimeWaitEnds   Code = "time_wait_ends"
	codeFinWait2Ends   Code = "fin_wait_2_ends"
	codeGaveUp         Code = "gave_up"
	codeBindRefused    Code = "bind_refused"
	codeClosedInSilent Code = "closed"

	// Where packets are not seen, only what the state says.
	codeInSynSent     Code = "in_syn_sent"
	codeInEstablished Code = "in_established"
	codeInFinWait1    Code = "in_fin_wait_1"
	codeInFinWait2    Code = "in_fin_wait_2"
	codeInClosing     Code = "in_closing"
	codeInTimeWait    Code = "in_time_wait"
	codeInCloseWait   Code = "in_close_wait"
	codeInLastAck     Code = "in_last_ack"
	codeInClosed      Code = "in_closed"
)

// entered are the steps of states that are entered by packets which are not seen.
var entered = map[sockstate.State]Code{
	sockstate.SynSent: codeInSynSent, sockstate.Established: codeInEstablished, sockstate.FinWait1: codeInFinWait1, sockstate.FinWait2: codeInFinWait2,
	sockstate.Closing: codeInClosing, sockstate.TimeWait: codeInTimeWait, sockstate.CloseWait: codeInCloseWait, sockstate.LastAck: codeInLastAck, sockstate.Closed: codeInClosed,
}

// step is what is to be said about a kind of step. {A} is the side that it happens at, of a packet the sender; {B} is the other one.
type step struct {
	text string
	// lost is what to say in its place if the network loses the packet; empty: text, and lostText.
	lost string
	// function is where the kernel does it, section that of RFC 9293.
	function, section string
}

// steps is the table of all steps.
var steps = map[Code]step{
	codeSYN: {
		"{A} asks to open the connection. SYN carries the number at which its bytes begin, and what its TCP can do.",
		"{A} asks to open the connection, but the network loses its SYN: {B} knows of nothing.",
		"tcp_connect", "3.5",
	},
	codeSYNAgain: {
		"No answer has come within 1 s, so {A}'s kernel sends the SYN again. The next few follow a second apart (tcp_syn_linear_timeouts, since Linux 6.5), and those after them after twice as long each time.",
		"{A}'s kernel sends the SYN again, and the network loses this one too.",
		"tcp_retransmit_timer", "3.8.1",
	},
	codeSYNReopens: {
		"A SYN reaches TIME_WAIT. Its number is beyond the old connection's, so no old segment can be taken for a new one: TIME_WAIT ends early, and the new connection opens.",
		"{A} asks to open a new connection, but the network loses its SYN: {B} stays in TIME_WAIT.",
		"tcp_timewait_state_process", "3.6.1",
	},
	codeSYNReuses: {
		"{A} takes its port out of TIME_WAIT: the program bound it by SO_REUSEADDR. The new SYN begins beyond the old connection's last number.",
		"{A} takes its port out of TIME_WAIT, but the network loses its SYN: {B} knows of nothing.",
		"tcp_twsk_unique", "3.6.1",
	},
	codeSYNACK: {
		"{A} agrees: its SYN begins the other direction, and its ACK confirms {B}'s number. No program knows of it yet.",
		"{A} agrees, but the network loses its SYN|ACK: to {B} it looks as if its SYN had been lost.",
		"tcp_conn_request", "3.5",
	},
	codeSYNACKAgain: {
		"No ACK has come for the SYN|ACK, so {A}'s kernel sends it again.",
		"{A}'s kernel sends the SYN|ACK again, and the network loses this one too.",
		"tcp_rtx_synack", "3.8.1",
	},
	codeOpen: {
		"{A} confirms {B}'s number. Both are ESTABLISHED: three packets, and accept() can return.",
		"{A} confirms {B}'s number and is ESTABLISHED, but the network loses its ACK: {B} stays in SYN_RECV until {A} sends something else.",
		"tcp_check_req", "3.5",
	},
	codeOpenData: {
		"The ACK that opens was lost, but every later segment has the same one: the data of {A} opens {B}'s end.",
		"",
		"tcp_check_req", "3.5",
	},
	codeData: {
		"{A} sends data.",
		"",
		"tcp_sendmsg", "3.8",
	},
	codeDataHalf: {
		"{A} sends data in CLOSE_WAIT: only {B}'s direction is closed, and this one is still open.",
		"",
		"tcp_sendmsg", "3.6",
	},
	codeDataAgain: {
		"No ACK has come for the data, so {A}'s kernel sends it again.",
		"",
		"tcp_retransmit_skb", "3.8.1",
	},
	codeACK: {
		"{A} confirms what has come.",
		"",
		"tcp_send_ack", "3.8.6.3",
	},
	codeFINFirst: {
		"{A} closes first, by close(): its FIN says that nothing more will come from it. It waits for the ACK in FIN_WAIT_1.",
		"{A} closes first, by close(), and waits for the ACK in FIN_WAIT_1. The network loses its FIN: {B} knows of nothing.",
		"tcp_send_fin", "3.6",
	},
	codeFINHalf: {
		"{A} closes one direction only, by shutdown(SHUT_WR): it will send nothing more, but goes on reading.",
		"{A} closes one direction, by shutdown(SHUT_WR), and waits for the ACK in FIN_WAIT_1. The network loses its FIN: {B} knows of nothing.",
		"tcp_shutdown", "3.6",
	},
	codeFINLinger: {
		"{A} closes with SO_LINGER: close() sends the FIN, and returns when it is acknowledged, or after the time given.",
		"{A} closes with SO_LINGER: close() waits for the ACK of its FIN, but the network loses the FIN.",
		"sk_stream_wait_close", "3.6",
	},
	codeFINSecond: {
		"{A}'s program has closed too: its FIN ends the second direction. It waits for the last ACK.",
		"",
		"tcp_send_fin", "3.6",
	},
	codeFINMerged: {
		"{A}'s program closes before its kernel has sent the ACK, so one packet is both: it confirms {B}'s FIN and has {A}'s own.",
		"",
		"tcp_send_fin", "3.6",
	},
	codeFINCrossing: {
		"{A} closes too, before {B}'s FIN has reached it: the FINs cross, and neither side is the first.",
		"",
		"tcp_send_fin", "3.6",
	},
	codeFINAgain: {
		"No ACK has come for the FIN, so {A}'s kernel sends it again. No process needs to be there for that.",
		"{A}'s kernel sends the FIN again, and the network loses this one too.",
		"tcp_retransmit_timer", "3.8.1",
	},
	codeACKOfFIN: {
		"{A}'s kernel confirms the FIN, but its program has not closed yet: \"just a moment\". Until it closes, {A} is in CLOSE_WAIT, and {B} in FIN_WAIT_2.",
		"",
		"tcp_rcv_state_process", "3.6",
	},
	codeLastACK: {
		"The last ACK tells {B} that all is done. {A} cannot know whether it arrives, so it stays in TIME_WAIT to answer if {B}'s FIN comes again.",
		"{A} sends the last ACK, but the network loses it: {B} stays in LAST_ACK. {A} cannot know, and that is why it waits in TIME_WAIT.",
		"tcp_time_wait", "3.6",
	},
	codeLastACKAgain: {
		"TIME_WAIT does its work: the FIN came again, so the last ACK was lost. {A} answers once more, and TIME_WAIT starts anew.",
		"The FIN has come again, so {A} answers once more and TIME_WAIT starts anew, but the network loses this ACK too.",
		"tcp_timewait_state_process", "3.6.1",
	},
	codeCrossingACK: {
		"{A} confirms the FIN that crossed its own. Each side enters TIME_WAIT when it has this ACK: both of them this time.",
		"{A} confirms the FIN that crossed its own, but the network loses the ACK: {B} stays in CLOSING, and its FIN will come again.",
		"tcp_rcv_state_process", "3.6",
	},
	codeClosingACK: {
		"{A} confirms {B}'s FIN, and waits in CLOSING for the ACK of its own. {A}'s FIN has not come through, so {B} waits for it in FIN_WAIT_2.",
		"",
		"tcp_rcv_state_process", "3.6",
	},
	codeTimeWaitSays: {
		"{A} is in TIME_WAIT, and the segment is none that it expects: it answers with an ACK that says where it stands.",
		"",
		"tcp_timewait_state_process", "3.10.7.4",
	},
	codeRSTLinger: {
		"{A} aborts: SO_LINGER {1,0} makes close() send RST. Data under way is lost, and neither side has TIME_WAIT.",
		"{A} aborts: SO_LINGER {1,0} makes close() send RST. The network loses it, and an RST is never sent again: {B} does not learn of it until it sends something.",
		"tcp_disconnect", "3.10.5",
	},
	codeRSTUnread: {
		"{A} closes with data unread. A FIN would say that all was read, so the kernel sends RST in its place.",
		"{A} closes with data unread, so its kernel sends RST. The network loses it, and an RST is never sent again: {B} does not learn of it until it sends something.",
		"__tcp_close", "3.6",
	},
	codeRSTCloseWait: {
		"{A} answers the FIN by RST. {B}'s end is gone at once, with no TIME_WAIT.",
		"{A} answers the FIN by RST, but the network loses it: {B}'s FIN will come again.",
		"tcp_disconnect", "3.10.5",
	},
	codeRSTOther: {
		"{A} resets the connection.",
		"{A} resets the connection, but the network loses the RST, and it is never sent again.",
		"tcp_send_active_reset", "3.10.5",
	},
	codeRSTNoSocket: {
		"{A} has no such connection any more, so its kernel answers by RST.",
		"{A} has no such connection any more, so its kernel answers by RST, but the network loses it.",
		"tcp_v4_send_reset", "3.10.7.1",
	},
	codeRefused: {
		"{A} refuses the connection by RST: nothing listens at this port, or a firewall answers for it.",
		"",
		"tcp_v4_send_reset", "3.10.7.1",
	},
	codeRSTKills: {
		"{A} has no such connection any more, so its kernel answers by RST. The RST ends {B}'s TIME_WAIT early (RFC 1337): an old segment could now meet a new connection.",
		"",
		"tcp_timewait_state_process", "3.10.7.4",
	},
	codeRSTIgnored: {
		"{A} has no such connection any more, so its kernel answers by RST. With tcp_rfc1337=1 {B}'s TIME_WAIT ignores it, and lasts.",
		"",
		"tcp_timewait_state_process", "3.10.7.4",
	},
	codeReplayed: {
		"The network delivers a copy of an old packet, long after the original.",
		"",
		"tcp_v4_rcv", "3.4.1",
	},
	codeArrives: {
		"What {A} sent arrives. {B} has done something else meanwhile.",
		"",
		"tcp_rcv_state_process", "3.6",
	},
	codeTimeWaitEnds: {
		"{A}'s TIME_WAIT has ended: its address and port are free.",
		"",
		"tw_timer_handler", "3.6.1",
	},
	codeFinWait2Ends: {
		"The peer's FIN has not come within tcp_fin_timeout: {A}'s kernel forgets the connection, which no process holds.",
		"",
		"tw_timer_handler", "3.6",
	},
	codeGaveUp: {
		"{A}'s kernel gives up.",
		"",
		"tcp_write_timeout", "3.8.3",
	},
	codeClosedInSilent: {
		"{A}'s end is gone.",
		"",
		"tcp_done", "3.6",
	},
	codeInSynSent: {
		"{A} has asked to open the connection, and waits for {B}'s answer.",
		"",
		"tcp_connect", "3.5",
	},
	codeInEstablished: {
		"{B} has agreed: the connection is open.",
		"",
		"tcp_finish_connect", "3.5",
	},
	codeInFinWait1: {
		"{A} has closed first: its FIN is on its way, or its ACK is.",
		"",
		"tcp_send_fin", "3.6",
	},
	codeInFinWait2: {
		"{B}'s kernel has confirmed the FIN, but its program has not closed yet.",
		"",
		"tcp_rcv_state_process", "3.6",
	},
	codeInClosing: {
		"{B} has closed too, before it had {A}'s FIN: the FINs have crossed.",
		"",
		"tcp_fin", "3.6",
	},
	codeInTimeWait: {
		"{B} has closed too. {A} cannot know whether its last ACK arrives, so it stays to answer if {B}'s FIN comes again.",
		"",
		"tcp_time_wait", "3.6",
	},
	codeInCloseWait: {
		"{B} has closed. {A}'s kernel has confirmed its FIN, and its program may still send.",
		"",
		"tcp_fin", "3.6",
	},
	codeInLastAck: {
		"{A} has closed too, and waits for the last ACK.",
		"",
		"tcp_send_fin", "3.6",
	},
	codeInClosed: {
		"{A}'s end is gone: by the last ACK, or by an RST of either side.",
		"",
		"tcp_done", "3.6",
	},
	codeBindRefused: {
		"{A}'s program binds the same port again without SO_REUSEADDR: EADDRINUSE, because the port is in TIME_WAIT.",
		"",
		"inet_csk_bind_conflict", "3.6.1",
	},
}

// inferred are the texts of a side of which only packets are seen: they do not tell by which call its program closed, or whether it ran.
var inferred = map[Code]string{
	codeFINFirst:  "{A} sends the first FIN: nothing more will come from it. Its program called close() or shutdown(), or has ended; the packet does not say which.",
	codeFINSecond: "{A}'s FIN ends the second direction: its program has closed too, or has ended. It waits for the last ACK.",
	codeFINMerged: "{A}'s program closes, or ends, before its kernel has sent the ACK, so one packet is both: it confirms {B}'s FIN and has {A}'s own.",
	codeACKOfFIN:  "{A}'s kernel confirms the FIN, and no FIN of its own comes yet: \"just a moment\". Until it comes, {A} is in CLOSE_WAIT, and {B} in FIN_WAIT_2.",
	codeRSTOther:  "{A} resets the connection. Its packet does not say why: its program aborted, or closed with data unread, or has ended.",
}

// lostText follows a step whose packet the network loses, where there is no other text for that.
const lostText = "The network loses this packet."
