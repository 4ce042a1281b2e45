package sockstate

import "time"

// TCPInfo is the part of struct tcp_info (include/uapi/linux/tcp.h) that a load reads
// just before it closes a connection. A kernel older than a field leaves it zero.
type TCPInfo struct {
	State       State
	RTT         time.Duration // tcpi_rtt: smoothed, microsecond resolution
	MinRTT      time.Duration // tcpi_min_rtt
	Retransmits uint32        // tcpi_total_retrans, segments since the connection began
	Lost        uint32        // tcpi_lost
	SndMSS      uint32        // tcpi_snd_mss, bytes
	SndCwnd     uint32        // tcpi_snd_cwnd, segments
	Unacked     uint32        // tcpi_unacked, segments sent that the peer's kernel has not acknowledged
}
