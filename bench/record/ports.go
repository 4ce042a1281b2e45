package record

// Ports describes the local ports of the pair of source and destination address that used the most.
type Ports struct {
	Range string `json:"range"` // "32768 60999"
	// InRange is the number of ports in the range, Reserved the part of it that connect() does not choose (ip_local_reserved_ports).
	InRange  int `json:"in_range,omitempty"`
	Reserved int `json:"reserved,omitempty"`
	// Available is the number of ports in the range, less the reserved ones and less the port of a target on this host,
	// which connect() cannot use.
	Available int `json:"available"`
	// FirstPass is the number of ports that connect() tries first: those of one parity, or all of a range set on the
	// socket (IP_LOCAL_PORT_RANGE). 0 if unknown.
	FirstPass int `json:"first_pass,omitempty"`
	PeakInUse int `json:"peak_in_use"`
	// LeastInUse is the peak of the pair that used the fewest.
	LeastInUse int `json:"least_in_use,omitempty"`
	// Pairs is the number of pairs that the load used; Pressure.Pairs lists those with the most ports in use.
	Pairs int `json:"pairs,omitempty"`
	Outlook
}

// Outlook predicts the use of local ports if the load goes on.
type Outlook struct {
	// ExhaustedInS is the time from the start until no port is free, as observed or at the load's rate. 0 if
	// there are enough ports.
	ExhaustedInS float64 `json:"exhausted_in_s,omitempty"`
	// LevelsOffAt is the steady number of ports in use per pair, if there are enough; 0 if unknown.
	LevelsOffAt int `json:"levels_off_at,omitempty"`
	// MaySlow is set for a closed loop that connect may slow down: ExhaustedInS is then the earliest time, LevelsOffAt the most ports.
	MaySlow bool `json:"may_slow,omitempty"`
	// ReuseAfterS is the age from which connect takes over a port in TIME_WAIT, 0 if it takes over none.
	ReuseAfterS float64 `json:"reuse_after_s,omitempty"`
	// Predicted is when the load's rate uses up the ports, whatever was observed. It is nil if there are enough, or if no rate is known.
	Predicted *Onset `json:"predicted,omitempty"`
	// ObservedS is when connect first found no free port (EADDRNOTAVAIL), in seconds from the start. 0 if it always did.
	ObservedS float64 `json:"observed_s,omitempty"`
}

// Onset is when connect first finds no free port, in seconds from the start.
type Onset struct {
	EarliestS float64 `json:"earliest_s"`
	// LatestS is later than EarliestS if ports that come back in between may help: TIME_WAITs end in bursts, whose times are not
	// known before. So it is for a closed loop, whose rate is not steady.
	LatestS float64 `json:"latest_s"`
}

// PortPair is the use of local ports by a pair of source and destination address.
type PortPair struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
	PeakInUse   int    `json:"peak_in_use"`
	// Open and TimeWait are what PeakInUse adds up from: sockets in TIME_WAIT, and in any other state. Both are 0 in records of older
	// versions.
	Open     int `json:"open,omitempty"`
	TimeWait int `json:"time_wait,omitempty"`
	// Reusable is the part of TimeWait whose ports connect would have taken over at that time.
	Reusable int `json:"reusable,omitempty"`
	// Earlier is the most TIME_WAITs that were there from before the load: each keeps a port from it.
	Earlier int `json:"earlier,omitempty"`
	// EnteredPerS is how many sockets entered TIME_WAIT a second, until no port was free.
	EnteredPerS float64 `json:"entered_per_s,omitempty"`
	// Predicted is when that rate uses up the ports.
	Predicted *Onset `json:"predicted,omitempty"`
}
