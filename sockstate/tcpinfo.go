package sockstate

import "time"

// TCPInfo is the part of struct tcp_info (include/uapi/linux/tcp.h) that a load
// test asks for, read from a connection just before it closes. A kernel older than
// a field leaves it zero.
type TCPInfo struct {
	State        State
	RTT, RTTVar  time.Duration // tcpi_rtt, tcpi_rttvar: smoothed, microsecond resolution
	MinRTT       time.Duration // tcpi_min_rtt
	RTO          time.Duration // tcpi_rto
	Retransmits  uint32        // tcpi_total_retrans, segments in the connection's life
	Lost         uint32        // tcpi_lost
	SndMSS       uint32        // tcpi_snd_mss, bytes
	SndCwnd      uint32        // tcpi_snd_cwnd, segments
	Unacked      uint32        // tcpi_unacked, segments
	SegsOut      uint32        // tcpi_segs_out
	SegsIn       uint32        // tcpi_segs_in
	BytesAcked   uint64        // tcpi_bytes_acked
	BytesIn      uint64        // tcpi_bytes_received
	DeliveryRate uint64        // tcpi_delivery_rate, bytes/s
}
