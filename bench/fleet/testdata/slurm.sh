#!/bin/sh
#SBATCH --job-name=lastack
#SBATCH --ntasks=4
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --output=lastack-%j.out
# One load from 4 nodes. Submit it with sbatch; lastack must be installed on each node.
# The records come to the directory below, which all nodes must share, and are merged there. scancel stops the load, and what there is until then is merged.
set -eu
dir='/shared/my runs'/lastack-$SLURM_JOB_ID
mkdir -p "$dir"
export dir
export LASTACK_TOKEN=SECRET
# Shard 0 is on the first node of the job, where this script runs.
: "${LASTACK_RENDEZVOUS:=$(hostname):9100}"
export LASTACK_RENDEZVOUS
# Slurm sends the signal to each process of the job, of which only the load is to end by it.
trap 'echo "stopping the load; the records are in $dir" >&2' TERM
# A shard that fails must not end the others, and each may use all CPUs of its node.
srun --label --kill-on-bad-exit=0 --cpu-bind=none sh -c 'trap : TERM; lastack run web.example:80 -R 4k -H '\''X: it'\''\'\'''\''s $(HOME)'\'' --rendezvous "$LASTACK_RENDEZVOUS" --run-id "slurm-$SLURM_JOB_ID" -q -o "$dir/shard-$SLURM_PROCID.json" >/dev/null || :' || :
set -- "$dir"/shard-*.json
test -e "$1" || { echo "no shard saved a record: see above what they said" >&2; exit 1; }
code=0
lastack merge "$@" --threshold 'connect.p99<5ms' -o "$dir/run.json" -o "$dir/run.html" || code=$?
# If records are missing, none is merged.
test ! -e "$dir/run.json" || lastack report "$dir/run.json"
echo "the records are in $dir"
exit $code
