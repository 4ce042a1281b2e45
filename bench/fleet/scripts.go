package fleet

import (
	"fmt"
	"strings"
)

// dir is where a script puts the records.
func (s *Spec) dir() string {
	if s.Collect == "" {
		return "."
	}
	return s.Collect
}

func (s *Spec) slurm() string {
	var b strings.Builder
	fmt.Fprintf(&b, `#!/bin/sh
#SBATCH --job-name=%[1]s
#SBATCH --ntasks=%[2]d
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --output=%[1]s-%%j.out
# One load from %[2]d nodes. Submit it with sbatch; %[4]s must be installed on each node.
# The records come to the directory below, which all nodes must share, and are merged there. scancel stops the load, and what there is until then is merged.
set -eu
dir=%[3]s/%[1]s-$SLURM_JOB_ID
mkdir -p "$dir"
export dir
export LASTACK_TOKEN=%[5]s
# Shard 0 is on the first node of the job, where this script runs.
: "${LASTACK_RENDEZVOUS:=$(hostname):%[6]d}"
export LASTACK_RENDEZVOUS
# Slurm sends the signal to each process of the job, of which only the load is to end by it.
trap 'echo "stopping the load; the records are in $dir" >&2' TERM
# A shard that fails must not end the others, and each may use all CPUs of its node.
srun --label --kill-on-bad-exit=0 --cpu-bind=none sh -c 'trap : TERM; %[7]s --rendezvous "$LASTACK_RENDEZVOUS" --run-id "slurm-$SLURM_JOB_ID" -q -o "$dir/shard-$SLURM_PROCID.json" >/dev/null || :' || :
%[8]s`, s.Name, s.N, quote(s.dir()), quote(s.Program), quote(s.Token), s.Port, s.inner(), s.merge())
	return b.String()
}

// inner is the command line of a shard within the single quotes of a shell.
func (s *Spec) inner() string {
	return strings.ReplaceAll(quote(s.Program)+" run "+quoted(s.Run), "'", `'\''`)
}

// merge is the end of each script. Its exit code is that of lastack merge: 3 if the result is not valid, or a shard's record is missing, 99 if a threshold is missed.
func (s *Spec) merge() string {
	return fmt.Sprintf(`set -- "$dir"/shard-*.json
test -e "$1" || { echo "no shard saved a record: see above what they said" >&2; exit 1; }
code=0
%[1]s merge "$@"%[2]s -o "$dir/run.json" -o "$dir/run.html" || code=$?
# If records are missing, none is merged.
test ! -e "$dir/run.json" || %[1]s report "$dir/run.json"
echo "the records are in $dir"
exit $code
`, quote(s.Program), s.bounds())
}

func (s *Spec) mpi() string {
	leader, hosts := `$(hostname)`, ""
	if len(s.Hosts) > 0 {
		leader, hosts = s.Hosts[0][strings.LastIndexByte(s.Hosts[0], '@')+1:], " --host "+quote(strings.Join(s.Hosts, ","))
	}
	return fmt.Sprintf(`#!/bin/sh
# One load from %[1]d hosts, by Open MPI. Run it with sh on the first of them; %[2]s must be installed on each.
# The records come to the directory below, which all hosts must share, and are merged there.
set -eu
dir=%[3]s/%[4]s-$$
mkdir -p "$dir"
run_id=%[4]s-$(date +%%s)-$$
export dir run_id
export LASTACK_TOKEN=%[5]s
: "${LASTACK_RENDEZVOUS:=%[6]s:%[7]d}"
export LASTACK_RENDEZVOUS
# A shard that fails must not end the others, and each may use all CPUs of its host.
mpirun -n %[1]d%[8]s --map-by ppr:1:node --bind-to none -x dir -x run_id -x LASTACK_TOKEN -x LASTACK_RENDEZVOUS ${MPIRUN_FLAGS:-} \
  sh -c '%[9]s --rendezvous "$LASTACK_RENDEZVOUS" --run-id "$run_id" -q -o "$dir/shard-$OMPI_COMM_WORLD_RANK.json" >/dev/null || :' || :
%[10]s`, s.N, quote(s.Program), quote(s.dir()), s.Name, quote(s.Token), leader, s.Port, hosts, s.inner(), s.merge())
}

// ssh keeps the standard input of each host's command open until the load has ended. At its end, as when the script or the connection is gone, the
// load is stopped there: a background job of a script does not hear Ctrl-C, and a host does not hear the end of its ssh.
func (s *Spec) ssh() string {
	hosts := `test $# = ` + fmt.Sprint(s.N) + ` || { echo "want the names of ` + fmt.Sprint(s.N) + ` hosts, shard 0's first: sh -s HOST..." >&2; exit 2; }`
	if len(s.Hosts) > 0 {
		hosts = "set -- " + quoted(s.Hosts)
	}
	return fmt.Sprintf(`#!/bin/sh
# One load from %[1]d hosts, by ssh. Run it with sh; %[2]s must be installed on each host, and ssh must ask for no password.
# The records come to the directory below on this machine, and are merged there. Ctrl-C stops the load on all hosts, and merges what they have until then.
set -eu
%[3]s
dir=%[4]s/%[5]s-$$
mkdir -p "$dir"
run_id=%[5]s-$(date +%%s)-$$
# The token goes over standard input: command lines can be read by all users of a host.
token=%[6]s
: "${LASTACK_RENDEZVOUS:=${1##*@}:%[7]d}"
# The load goes on as long as descriptor 3 is open, or to its end.
pipes=$(mktemp -d)
trap 'rm -r "$pipes"' EXIT
mkfifo "$pipes/on"
exec 3<>"$pipes/on"
trap 'echo "stopping the load" >&2; exec 3>&-' INT TERM HUP
i=0 pids=
for host; do
  mkfifo "$pipes/$i"
  { printf '%%s\n' "$token"; exec cat "$pipes/on"; } >"$pipes/$i" 3>&- &
  { ${SSH:-ssh} "$host" "read -r LASTACK_TOKEN; export LASTACK_TOKEN; exec 3<&0; "'%[8]s'" --shard $i/%[1]d --rendezvous $LASTACK_RENDEZVOUS --run-id $run_id --format json -q 3<&- & load=\$!; { read -r _ <&3; kill \$load; } >/dev/null 2>&1 & wait \$load; code=\$?; kill \$! 2>/dev/null; exit \$code" \
    <"$pipes/$i" 2>&1 >"$dir/shard-$i.json" | while IFS= read -r line; do printf '%%s: %%s\n' "$host" "$line"; done >&2; } 3>&- &
  pids="$pids $!"
  i=$((i + 1))
done
# A signal ends the wait, and not the load.
wait $pids || wait $pids || :
# What failed has saved nothing.
for record in "$dir"/shard-*.json; do test -s "$record" || rm "$record"; done
%[9]s`, s.N, quote(s.Program), hosts, quote(s.dir()), s.Name, quote(s.Token), s.Port, s.inner(), s.merge())
}
