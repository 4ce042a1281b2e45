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
# The records come to the directory below, which all nodes must share, and are merged there.
set -eu
dir=%[3]s/%[1]s-$SLURM_JOB_ID
mkdir -p "$dir"
export dir
export LASTACK_TOKEN=%[5]s
# Shard 0 is on the first node of the job, where this script runs.
: "${LASTACK_RENDEZVOUS:=$(hostname):%[6]d}"
export LASTACK_RENDEZVOUS
# A shard whose result is not valid must not end the others, and each may use all CPUs of its node.
srun --kill-on-bad-exit=0 --cpu-bind=none sh -c '%[7]s --rendezvous "$LASTACK_RENDEZVOUS" --run-id "slurm-$SLURM_JOB_ID" -q -o "$dir/shard-$SLURM_PROCID.json" >/dev/null || test $? = 3' || true
%[8]s`, s.Name, s.N, quote(s.dir()), quote(s.Program), quote(s.Token), s.Port, s.inner(), s.merge())
	return b.String()
}

// inner is the command line of a shard within the single quotes of a shell.
func (s *Spec) inner() string {
	return strings.ReplaceAll(quote(s.Program)+" run "+quoted(s.Run), "'", `'\''`)
}

// merge is the end of each script. Its exit code is that of lastack merge: 3 if the result is not valid, or a shard's record is missing.
func (s *Spec) merge() string {
	return fmt.Sprintf(`code=0
%[1]s merge "$dir"/shard-*.json -o "$dir/run.json" -o "$dir/run.html" || code=$?
# A record is missing if there is none of all.
test ! -e "$dir/run.json" || %[1]s report "$dir/run.json"
exit $code
`, quote(s.Program))
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
# A shard whose result is not valid must not end the others, and each may use all CPUs of its host.
mpirun -n %[1]d%[8]s --map-by ppr:1:node --bind-to none -x dir -x run_id -x LASTACK_TOKEN -x LASTACK_RENDEZVOUS ${MPIRUN_FLAGS:-} \
  sh -c '%[9]s --rendezvous "$LASTACK_RENDEZVOUS" --run-id "$run_id" -q -o "$dir/shard-$OMPI_COMM_WORLD_RANK.json" >/dev/null || test $? = 3'
%[10]s`, s.N, quote(s.Program), quote(s.dir()), s.Name, quote(s.Token), leader, s.Port, hosts, s.inner(), s.merge())
}

func (s *Spec) ssh() string {
	hosts := `test $# = ` + fmt.Sprint(s.N) + ` || { echo "want the names of ` + fmt.Sprint(s.N) + ` hosts, shard 0's first: sh -s HOST..." >&2; exit 2; }`
	if len(s.Hosts) > 0 {
		hosts = "set -- " + quoted(s.Hosts)
	}
	return fmt.Sprintf(`#!/bin/sh
# One load from %[1]d hosts, by ssh. Run it with sh; %[2]s must be installed on each host, and ssh must ask for no password.
# The records come to the directory below on this machine, and are merged there.
set -eu
%[3]s
dir=%[4]s/%[5]s-$$
mkdir -p "$dir"
run_id=%[5]s-$(date +%%s)-$$
# The token goes over standard input: command lines can be read by all users of a host.
token=%[6]s
: "${LASTACK_RENDEZVOUS:=${1##*@}:%[7]d}"
i=0
for host; do
  printf '%%s\n' "$token" | ${SSH:-ssh} "$host" "read -r LASTACK_TOKEN; export LASTACK_TOKEN; exec "'%[8]s'" --shard $i/%[1]d --rendezvous $LASTACK_RENDEZVOUS --run-id $run_id --format json -q" >"$dir/shard-$i.json" 2>"$dir/shard-$i.err" &
  i=$((i + 1))
done
wait
cat "$dir"/shard-*.err >&2
%[9]s`, s.N, quote(s.Program), hosts, quote(s.dir()), s.Name, quote(s.Token), s.Port, s.inner(), s.merge())
}
