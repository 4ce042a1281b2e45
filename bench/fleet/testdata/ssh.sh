#!/bin/sh
# One load from 4 hosts, by ssh. Run it with sh; lastack must be installed on each host, and ssh must ask for no password.
# The records come to the directory below on this machine, and are merged there. Ctrl-C stops the load on all hosts, and merges what they have until then.
set -eu
test $# = 4 || { echo "want the names of 4 hosts, shard 0's first: sh -s HOST..." >&2; exit 2; }
dir=./lastack-$$
mkdir -p "$dir"
run_id=lastack-$(date +%s)-$$
# The token goes over standard input: command lines can be read by all users of a host.
token=SECRET
: "${LASTACK_RENDEZVOUS:=${1##*@}:9100}"
# The load goes on as long as descriptor 3 is open, or to its end.
pipes=$(mktemp -d)
trap 'rm -r "$pipes"' EXIT
mkfifo "$pipes/on"
exec 3<>"$pipes/on"
trap 'echo "stopping the load" >&2; exec 3>&-' INT TERM HUP
i=0 pids=
for host; do
  mkfifo "$pipes/$i"
  { printf '%s\n' "$token"; exec cat "$pipes/on"; } >"$pipes/$i" 3>&- &
  { ${SSH:-ssh} "$host" "read -r LASTACK_TOKEN; export LASTACK_TOKEN; exec 3<&0; "'lastack run web.example:80 -R 4k -H '\''X: it'\''\'\'''\''s $(HOME)'\'''" --shard $i/4 --rendezvous $LASTACK_RENDEZVOUS --run-id $run_id --format json -q 3<&- & load=\$!; { read -r _ <&3; kill \$load; } >/dev/null 2>&1 & wait \$load; code=\$?; kill \$! 2>/dev/null; exit \$code" \
    <"$pipes/$i" 2>&1 >"$dir/shard-$i.json" | while IFS= read -r line; do printf '%s: %s\n' "$host" "$line"; done >&2; } 3>&- &
  pids="$pids $!"
  i=$((i + 1))
done
# A signal ends the wait, and not the load.
wait $pids || wait $pids || :
# What failed has saved nothing.
for record in "$dir"/shard-*.json; do test -s "$record" || rm "$record"; done
set -- "$dir"/shard-*.json
test -e "$1" || { echo "no shard saved a record: see above what they said" >&2; exit 1; }
code=0
lastack merge "$@" -o "$dir/run.json" -o "$dir/run.html" || code=$?
# If records are missing, none is merged.
test ! -e "$dir/run.json" || lastack report "$dir/run.json"
echo "the records are in $dir"
exit $code
