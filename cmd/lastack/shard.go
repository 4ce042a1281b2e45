package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"lastack/bench/rendezvous"
	"lastack/bench/setup"
	"lastack/bench/shard"
	"lastack/sockstate"
)

// shardFlags say which part of a load this process has, and how all parts start together.
type shardFlags struct {
	text, rendezvous, startAt, runID string
	timeout                          time.Duration
	quorum                           int

	shard shard.Shard
}

func (o *shardFlags) register(f *pflag.FlagSet) {
	f.StringVar(&o.text, "shard", "auto", "which part of the load this process has, `I/N` from 0/N on; N, where Kubernetes, Slurm or MPI say I; auto: as they say; off")
	f.StringVar(&o.rendezvous, "rendezvous", "", "`HOST:PORT` where shard 0 listens until all have come, so that they start together (LASTACK_TOKEN keeps strangers out)")
	f.DurationVar(&o.timeout, "rendezvous-timeout", time.Minute, "how long to wait for all shards")
	f.Var(decimal(&o.quorum), "quorum", "start when the time is over with so many shards (0 = all must come)")
	f.StringVar(&o.startAt, "start-at", "", "`TIME` to start at, by this host's clock, like 2026-12-01T09:00:00Z")
	f.StringVar(&o.runID, "run-id", "", "`NAME` of the run in the record, the same for all shards (chosen at the rendezvous unless given)")
	f.Lookup("quorum").DefValue = ""
}

// tokenVariable is the environment's variable for the token: command lines can be read by all users of a host.
const tokenVariable = "LASTACK_TOKEN"

// complete checks the flags, and divides the load.
func (o *shardFlags) complete(spec *setup.Spec, given func(string) bool) (err error) {
	if o.text == "" && !given("shard") {
		return nil // a command without these flags
	}
	if o.shard, err = shard.Parse(o.text, os.Getenv); err != nil {
		return usagef("%w", err)
	}
	for _, flag := range []string{"rendezvous", "quorum"} {
		if given(flag) && o.shard.N == 0 {
			return usagef("--%s: this load has one process: say which of how many it is with --shard I/N", flag)
		}
	}
	switch {
	case given("rendezvous") && given("start-at"):
		return usagef("--start-at %s: the rendezvous agrees on the moment: leave one of them out", o.startAt)
	case given("rendezvous-timeout") && !given("rendezvous"), given("quorum") && !given("rendezvous"):
		return usagef("--rendezvous-timeout and --quorum need a --rendezvous")
	case o.timeout <= 0 || o.timeout > time.Hour:
		return usagef("--rendezvous-timeout %v: want a duration up to 1h", o.timeout)
	case o.quorum < 0 || o.quorum > max(o.shard.N, 0):
		return usagef("--quorum %d: want 1 to %d, the number of shards", o.quorum, o.shard.N)
	case given("quorum") && o.quorum == 0:
		return usagef("--quorum 0: want at least 1")
	}
	if given("rendezvous") {
		if err := o.checkAddress(spec.AllowPublic); err != nil {
			return err
		}
	}
	if given("start-at") {
		if spec.StartAt, err = time.Parse(time.RFC3339Nano, o.startAt); err != nil {
			return usagef("--start-at %s: want a time like 2026-12-01T09:00:00Z", o.startAt)
		}
		if left := time.Until(spec.StartAt); left < 0 || left > 24*time.Hour {
			return usagef("--start-at %s: want a moment within the next 24 hours", o.startAt)
		}
	}
	spec.RunID = o.runID
	if err := spec.Divide(o.shard); err != nil {
		return usagef("%w", err)
	}
	if at := spec.StartAt; spec.Shard != nil && !at.IsZero() {
		spec.Shard.StartAt = &at
	}
	return nil
}

// checkAddress checks the rendezvous' address as far as it need not be looked up.
func (o *shardFlags) checkAddress(public bool) error {
	host, port, err := net.SplitHostPort(o.rendezvous)
	n, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil || n == 0 || host == "" {
		return usagef("--rendezvous %q: want HOST:PORT, the same for all shards", o.rendezvous)
	}
	if _, err := netip.ParseAddr(host); err == nil {
		_, err := o.find(context.Background(), public)
		return err
	}
	return nil
}

// find looks the rendezvous' address up.
func (o *shardFlags) find(ctx context.Context, public bool) (netip.AddrPort, error) {
	host, portText, err := net.SplitHostPort(o.rendezvous)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ips, err := addresses(ctx, host, lookUp)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for _, ip := range ips {
		a := netip.AddrPortFrom(ip.Unmap(), uint16(port))
		is, unreachable := setup.DescribeAddress(a.Addr())
		if unreachable || setup.CheckTarget(o.rendezvous, a) != nil && !public {
			const want = "it is %s: want a private or loopback address"
			if unreachable {
				return netip.AddrPort{}, usagef("%w", sockstate.BadValue("rendezvous", o.rendezvous, want, is))
			}
			return netip.AddrPort{}, usagef("%w", sockstate.BadValue("rendezvous", o.rendezvous, want+", or --allow-public", is))
		}
	}
	return netip.AddrPortFrom(meetingPoint(ips), uint16(port)), nil
}

// meetingPoint is the address of a name that all shards choose: resolvers sort by what their host can reach, or change the order each time.
func meetingPoint(ips []netip.Addr) netip.Addr {
	rank := func(ip netip.Addr) int {
		switch {
		case ip.IsLoopback(): // of this host alone
			return 2
		case ip.Is6():
			return 1
		}
		return 0
	}
	return slices.MinFunc(ips, func(a, b netip.Addr) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Compare(b)) })
}

// waiting tells of a wait that is no short one.
func (o *runOptions) waiting(to io.Writer) func(absent []int) {
	if o.quiet {
		return nil
	}
	return func(absent []int) {
		whom := "the others"
		if len(absent) > 0 {
			whom = shard.Names(absent)
		}
		fmt.Fprintf(to, "lastack: shard %d waits for %s at %s, %v at most\n", o.shard.I, whom, o.rendezvous, o.timeout)
	}
}

// meet waits for the other shards, and puts what was agreed into what runs.
func (o *shardFlags) meet(ctx context.Context, s *setup.Common, public bool, waiting func(absent []int)) error {
	if o.rendezvous == "" {
		return nil
	}
	runID := s.RunID
	if runID == "" {
		runID = rand.Text()[:12]
	}
	st, err := rendezvous.Meet(ctx, rendezvous.Spec{
		Shard: o.shard, Name: o.rendezvous, Find: func(ctx context.Context) (netip.AddrPort, error) { return o.find(ctx, public) },
		Plan: s.Shard.PlanSHA256, Version: s.Version, Token: os.Getenv(tokenVariable), Timeout: o.timeout, Quorum: o.quorum, RunID: runID, Waiting: waiting,
	})
	if err != nil {
		return err
	}
	of := *s.Shard
	of.StartAt, of.Absent = &st.At, st.Absent
	of.ClockOffsetUs, of.ClockUncertaintyUs = st.Offset.Microseconds(), st.Uncertainty.Microseconds()
	s.Shard, s.StartAt, s.RunID = &of, st.At, st.RunID
	return nil
}
