package main

import (
	"crypto/rand"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/bench/fleet"
	"lastack/bench/record"
)

// fleetOptions are the flags of fleet.
type fleetOptions struct {
	spec    fleet.Spec
	hosts   string
	sysctls []string
}

func newFleet() *cobra.Command {
	o := &fleetOptions{}
	cmd := &cobra.Command{
		Use:   "fleet ENGINE -n N -- run TARGET...",
		Short: "Print what runs one load from many machines",
		Long: `fleet prints what an engine takes to run one load from N machines, and to merge
what they saved. It starts nothing itself. The ENGINE is

  kubernetes  manifests for kubectl apply -f -: an Indexed Job, a headless
              Service and a Secret. No cluster was at hand to try them on
  slurm       a batch script for sbatch
  mpi         a script that calls mpirun
  ssh         a script that calls ssh; its arguments are the hosts

After -- follows the command line of the load, for all shards together: -R 40k
are 10k from each of four. Each process takes its part of it (--shard), all
start at one moment (--rendezvous, where a shared token keeps strangers out),
and lastack merge makes one record of theirs. The environment's
LASTACK_RENDEZVOUS names another place to meet than the first host.

A drain is not divided: its clients must see one signal by one clock.`,
		Example: `  lastack fleet kubernetes -n 4 --image registry.example/lastack:1.0 -- \
    run web.example:80 -R 40k -d 60s | kubectl apply -f -
  lastack fleet slurm -n 4 --collect /nfs -- run web.example:80 -c 4k | sbatch
  lastack fleet mpi -n 4 --hosts a,b,c,d -- run web.example:80 -c 4k | sh
  lastack fleet ssh -n 2 -- run web.example:80 -R 20k -d 30s >go.sh`,
		Args: func(*cobra.Command, []string) error { return nil }, // RunE says what is missing
		RunE: func(cmd *cobra.Command, args []string) error { return asUsage(cmd, o.print(cmd, args)) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.VarP(count(&o.spec.N), "number", "n", "shards, each on a machine of its own")
	f.StringVar(&o.spec.Name, "name", "lastack", "`NAME` of the job")
	f.StringVar(&o.spec.Collect, "collect", "", "`DIR` for the records, which all machines share; for kubernetes a PersistentVolumeClaim (the pods' logs unless given)")
	f.StringArrayVar(&o.spec.Thresholds, "threshold", nil, "a `BOUND` on the merged run like 'connect.p99<5ms': exit 99 if missed (repeatable)")
	f.StringVar(&o.hosts, "hosts", "", "`HOST,...` of mpi and ssh, shard 0's first")
	f.Var(decimal(&o.spec.Port), "port", "TCP port where shard 0 waits for the others")
	f.StringVar(&o.spec.Program, "program", fleet.DefaultProgram, "`PATH` of lastack on the machines")
	f.StringVar(&o.spec.Image, "image", fleet.DefaultImage, "`IMAGE` of the pods")
	f.Var(decimal(&o.spec.CPUs), "cpus", "CPUs of each pod")
	f.StringVar(&o.spec.Memory, "memory", fleet.DefaultMemory, "memory of each pod, a `QUANTITY` like 4Gi")
	f.StringArrayVar(&o.sysctls, "sysctl", nil, "`NAME=VALUE` of a sysctl of the pods (repeatable)")
	for name, v := range map[string]struct {
		to *int
		is int
	}{"port": {&o.spec.Port, 9100}, "cpus": {&o.spec.CPUs, fleet.DefaultCPUs}} {
		*v.to = v.is
		f.Lookup(name).DefValue = strconv.Itoa(v.is)
	}
	return cmd
}

// setByFleet are the flags of run that fleet sets.
var setByFleet = []string{"shard", "rendezvous", "rendezvous-timeout", "start-at", "run-id", "output", "format", "quiet", "verbose"}

func (o *fleetOptions) print(cmd *cobra.Command, args []string) (err error) {
	dash := cmd.ArgsLenAtDash()
	switch {
	case len(args) == 0 || dash == 0:
		return usagef("fleet needs an engine: %s", strings.Join(fleet.Engines(), ", "))
	case dash < 0 || dash == len(args):
		return usagef("fleet needs a load after --, like: lastack fleet %s -n 4 -- run web.example:80 -R 4k", args[0])
	case dash > 1:
		return usagef("fleet takes one engine, and the load after --, but was given %q before it", args[1])
	}
	load, err := loadOf(args[dash:])
	if err != nil {
		return err
	}
	o.spec.Run = args[dash+1:]
	if o.spec.Metrics, err = scrapedAt(load, args[0] == "kubernetes"); err != nil {
		return err
	}
	if o.hosts != "" {
		o.spec.Hosts = strings.Split(o.hosts, ",")
		if slices.Contains(o.spec.Hosts, "") {
			return usagef("--hosts %s: want names, separated by commas", o.hosts)
		}
	}
	sysctls, err := parseSysctls(o.sysctls)
	if err != nil {
		return usagef("%w", err)
	}
	for _, s := range sysctls {
		o.spec.Sysctls = append(o.spec.Sysctls, fleet.Sysctl{Name: s.Key, Value: s.Value})
	}
	if _, err := parseThresholds(record.KindRun, o.spec.Thresholds); err != nil {
		return err
	}
	o.spec.Token = rand.Text()
	text, err := fleet.Print(args[0], o.spec)
	if err == nil {
		_, err = io.WriteString(cmd.OutOrStdout(), text)
	}
	return err
}

// loadOf checks the command line of the load, as far as it does not depend on the machine, and returns run's flags.
func loadOf(words []string) (*pflag.FlagSet, error) {
	switch words[0] {
	case "run":
	case "drain":
		return nil, usagef("fleet divides no drain: its clients must see one signal by one clock: run it on one machine")
	default:
		return nil, usagef("fleet divides a run only, and not %q: want -- run TARGET", words[0])
	}
	run := newRun()
	f := run.Flags()
	if err := run.ParseFlags(words[1:]); err != nil {
		return nil, usagef("-- run: %w", run.FlagErrorFunc()(run, err))
	}
	for _, name := range setByFleet {
		if f.Changed(name) {
			return nil, usagef("-- run --%s: fleet sets it: leave it out", name)
		}
	}
	if f.Changed("threshold") {
		return nil, usagef("-- run --threshold: each shard would judge its own part: give it to fleet, before --, which judges the merged run")
	}
	if f.NArg() == 0 {
		return nil, usagef("-- run needs a TARGET: without one each shard would have a server of its own")
	}
	var sandboxed []string
	f.Visit(func(f *pflag.Flag) {
		if slices.Contains([]string{"sandbox", "topology", "nat-addresses", "nat-ports", "sysctl", "loss", "backlog", "listeners", "delay", "ipv6"}, f.Name) {
			sandboxed = append(sandboxed, "--"+f.Name)
		}
	})
	if len(sandboxed) > 0 {
		return nil, usagef("-- run %s: applies to a sandbox, and a run with a TARGET has none: leave it out", sandboxed[0])
	}
	return f, nil
}

// scrapedAt is the port where each shard shows its metrics, 0 if nowhere.
func scrapedAt(load *pflag.FlagSet, pods bool) (uint16, error) {
	m := metricsFlags{addr: load.Lookup("metrics").Value.String(), public: load.Changed("metrics-public")}
	if err := m.complete(load.Changed); err != nil || m.addr == "" {
		return 0, err
	}
	a, err := m.address()
	switch {
	case err != nil:
		return 0, err
	case pods && (a.Addr().IsLoopback() || a.Port() == 0):
		return 0, usagef("-- run --metrics %s: Prometheus must reach it in each pod: want --metrics 0.0.0.0:9464 --metrics-public", m.addr)
	}
	return a.Port(), nil
}
