#!/bin/sh
# One load from 4 hosts, by ssh. Run it with sh; lastack must be installed on each host, and ssh must ask for no password.
# The records come to the directory below on this machine, and are merged there.
set -eu
test $# = 4 || { echo "want the names of 4 hosts, shard 0's first: sh -s HOST..." >&2; exit 2; }
dir=./lastack-$$
mkdir -p "$dir"
run_id=lastack-$(date +%s)-$$
# The token goes over standard input: command lines can be read by all users of a host.
token=SECRET
: "${LASTACK_RENDEZVOUS:=${1##*@}:9100}"
i=0
for host; do
  printf '%s\n' "$token" | ${SSH:-ssh} "$host" "read -r LASTACK_TOKEN; export LASTACK_TOKEN; exec "'lastack run web.example:80 -R 4k -H '\''X: it'\''\'\'''\''s $(HOME)'\'''" --shard $i/4 --rendezvous $LASTACK_RENDEZVOUS --run-id $run_id --format json -q" >"$dir/shard-$i.json" 2>"$dir/shard-$i.err" &
  i=$((i + 1))
done
wait
cat "$dir"/shard-*.err >&2
code=0
lastack merge "$dir"/shard-*.json -o "$dir/run.json" -o "$dir/run.html" || code=$?
# A record is missing if there is none of all.
test ! -e "$dir/run.json" || lastack report "$dir/run.json"
exit $code
