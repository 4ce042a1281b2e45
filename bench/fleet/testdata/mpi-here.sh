#!/bin/sh
# One load from 4 hosts, by Open MPI. Run it with sh on the first of them; lastack must be installed on each.
# The records come to the directory below, which all hosts must share, and are merged there.
set -eu
dir=./lastack-$$
mkdir -p "$dir"
run_id=lastack-$(date +%s)-$$
export dir run_id
export LASTACK_TOKEN=SECRET
: "${LASTACK_RENDEZVOUS:=$(hostname):9100}"
export LASTACK_RENDEZVOUS
# A shard that fails must not end the others, and each may use all CPUs of its host.
mpirun -n 4 --map-by ppr:1:node --bind-to none -x dir -x run_id -x LASTACK_TOKEN -x LASTACK_RENDEZVOUS ${MPIRUN_FLAGS:-} \
  sh -c 'lastack run web.example:80 -R 4k -H '\''X: it'\''\'\'''\''s $(HOME)'\'' --rendezvous "$LASTACK_RENDEZVOUS" --run-id "$run_id" -q -o "$dir/shard-$OMPI_COMM_WORLD_RANK.json" >/dev/null || :' || :
set -- "$dir"/shard-*.json
test -e "$1" || { echo "no shard saved a record: see above what they said" >&2; exit 1; }
code=0
lastack merge "$@" -o "$dir/run.json" -o "$dir/run.html" || code=$?
# If records are missing, none is merged.
test ! -e "$dir/run.json" || lastack report "$dir/run.json"
echo "the records are in $dir"
exit $code
