package model

import (
	"fmt"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
)

// Spec is what a plan was asked for, as far as somebody said.
type Spec struct {
	// Load is without RTT, Service and AcceptPause.
	Load Load
	// RTT, Service and AcceptPause are nil if nobody said.
	RTT, Service *Time
	AcceptPause  *time.Duration

	// NAT and LB are rows of the table of middles, empty without one; their addresses are 0 if nobody said.
	NAT, LB                   string
	NATAddresses, LBAddresses int
	// Gateways is how many have the addresses of the NAT, 0 for as many as they take.
	Gateways int
	// ConntrackMax is nf_conntrack_max of the NAT, or of a firewall without one, 0 if nobody said.
	ConntrackMax int64
	Headroom     float64
	// From is a run that measured what a lifecycle costs here, nil without one.
	From *record.Run
}

// What is assumed if nobody says.
var (
	assumedRTT   = between(0, 2*time.Millisecond)
	assumedPause = 10 * time.Millisecond
)

// usualConntrack is nf_conntrack_max of a host with more than 4 GB, unless somebody has changed it (nf_conntrack_init_start).
const usualConntrack = 262144

// Resolve makes the input of a plan: everything that nobody said is chosen here, and said. server is nil if nobody said what its host
// allows.
func Resolve(s Spec, client Host, server *Host) (in Input, err error) {
	in = Input{Load: s.Load, Client: client, Server: client, Headroom: s.Headroom}
	if in.ServerSame = server == nil; server != nil {
		in.Server = *server
	}
	say := func(format string, args ...any) { in.Assumed = append(in.Assumed, fmt.Sprintf(format, args...)) }
	l := &in.Load
	if s.From != nil {
		if in.CPU, err = measured(&s); err != nil {
			return in, err
		}
	}
	l.RTT, l.Service, l.AcceptPause = assumedRTT, Time{}, assumedPause
	if s.RTT != nil {
		l.RTT = *s.RTT
	} else {
		say("a round trip takes %v: --rtt says otherwise", assumedRTT)
	}
	switch {
	case s.Service != nil:
		l.Service = *s.Service
	case l.Exchange.Kind != exchange.None:
		say("the server replies at once: --service says otherwise")
	}
	if s.AcceptPause != nil {
		l.AcceptPause = *s.AcceptPause
	}
	if l.Exchange.Kind == exchange.HTTP {
		say("request and reply of HTTP fit into the first window (14 kB)")
	}
	if err := in.addMiddle(&s, say); err != nil {
		return in, err
	}
	if p := int64(client.Ports); p > 0 && int64(l.Sources) > mostSources {
		return in, sockstate.BadValue("sources", quantity.Count(int64(l.Sources)), "want at most %s", quantity.Count(mostSources))
	}
	return in, nil
}

// mostSources is as many addresses as a load takes.
const mostSources = 1 << 18

// measured is what the run of s.From says of a lifecycle. Times that nobody said are taken from it too.
func measured(s *Spec) (*CPU, error) {
	r := s.From
	if r.Kind != "" && r.Kind != record.KindRun {
		return nil, sockstate.BadValue("from", "a "+r.Kind, "want the record of a run")
	}
	cpu, ok := cpuOf(r)
	if !ok {
		return nil, sockstate.BadValue("from", "", "this run does not tell the CPU time of a lifecycle: want one of a second or more, in which connections were made")
	}
	of := func(l record.Latency) Time {
		us := func(v float64) time.Duration { return time.Duration(v * 1e3) }
		return Time{Min: us(l.MinUs), Mean: us(l.MeanUs), Max: us(max(l.P99Us, l.MeanUs))}
	}
	if l, ok := r.Latency["connect"]; ok && s.RTT == nil {
		t := of(l)
		s.RTT = &t
	}
	if l, ok := r.Latency["exchange"]; ok && s.Service == nil && s.RTT != nil {
		t := of(l)
		less := func(d time.Duration) time.Duration { return max(0, d-s.RTT.Mean) }
		t = Time{Min: less(t.Min), Mean: less(t.Mean), Max: less(t.Max)}
		s.Service = &t
	}
	return &cpu, nil
}

// addMiddle adds what stands between client and server.
func (in *Input) addMiddle(s *Spec, say func(string, ...any)) (err error) {
	kind, name, addresses := NAT, s.NAT, s.NATAddresses
	switch {
	case s.NAT != "" && s.LB != "":
		return sockstate.BadValue("lb", s.LB, "a plan has one NAT or one load balancer between client and server: leave --nat out, and plan the other leg apart")
	case s.NAT == "" && s.NATAddresses > 0:
		return sockstate.BadValue("nat-addresses", s.NATAddresses, "say which NAT has them: --nat linux, aws, gcp or azure")
	case s.NAT == "" && s.Gateways > 0:
		return sockstate.BadValue("gateways", s.Gateways, "say which NAT has them: --nat linux, aws, gcp or azure")
	case s.LB == "" && s.LBAddresses > 0:
		return sockstate.BadValue("lb-addresses", s.LBAddresses, "say which load balancer has them: --lb linux or aws-nlb")
	case s.LB != "":
		kind, name, addresses = Balancer, s.LB, s.LBAddresses
	case s.NAT == "":
		if s.ConntrackMax > 0 {
			in.Middle = newTracker(s.ConntrackMax)
		}
		return nil
	}
	gateways := s.Gateways
	if kind != NAT {
		gateways = 0
	}
	m, doubt, err := newMiddle(kind, name, addresses, gateways, &in.Client)
	if err != nil {
		return err
	}
	if m.Gateways > 1 {
		say("the %s addresses of the NAT are those of %s gateways, among which the connections are divided evenly", quantity.Count(int64(m.Addresses)), quantity.Count(int64(m.Gateways)))
	}
	if doubt != "" {
		say("%s", doubt)
	}
	if m.Conntrack = s.ConntrackMax; name == LinuxNAT && kind == NAT && s.ConntrackMax == 0 {
		if m.Conntrack = in.Client.ConntrackMax; m.Conntrack == 0 {
			m.Conntrack = usualConntrack
		}
		say("the NAT's nf_conntrack_max is %s: --conntrack-max says otherwise", quantity.Count(m.Conntrack))
	}
	in.Middle = m
	return nil
}
