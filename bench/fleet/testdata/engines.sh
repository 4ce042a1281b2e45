#!/bin/sh
# The same load by each engine, on the cluster of cluster.sh, and by Slurm with a shard that is killed, one that is late, and all cancelled. In the working
# directory, NAME.out becomes what an engine printed, with its exit code, NAME.passive how many connections web had then, and NAME the records.
set -u

passive() { on web "sed -n 's/^Tcp: [0-9]/&/p' /proc/net/snmp" | cut -d ' ' -f 7; }

# soon COMMAND: wait until it succeeds, for half a minute at most.
soon() {
	limit=$(($(date +%s) + 30))
	until "$@"; do
		test "$(date +%s)" -lt $limit || { echo "waited in vain for: $*" >&2; exit 1; }
		sleep 0.1
	done
}

# those HOST: its lastacks.
those() { pgrep --ns "$(cat "$HOSTS/$1.pid")" --nslist net -x lastack; }

# engine NAME COMMAND...
engine() {
	name=$1
	shift
	"$@" >"$name.log" 2>&1
	code=$?
	cat "$name".*.out >>"$name.log" 2>/dev/null # sbatch's
	{ cat "$name.log"; echo "exit code $code"; } >"$name.out"
	passive >"$name.passive"
}

# fleet ENGINE NAME SECONDS [FLAG...]: what the engine takes, in NAME.sh.
fleet() {
	engine=$1 name=$2 seconds=$3
	shift 3
	lastack fleet $engine -n 4 --name $name --collect . "$@" -- \
		run web:9000 --exchange echo:1,1 --close client:rst -R 900 -d ${seconds}s --settle 0s >$name.sh
}

idle() { test "$(sinfo -h -o '%T %D' 2>/dev/null)" = 'idle 4'; }
submit() { sbatch --wait --output="$1.%j.out" "$1.sh"; }

passive >begin.passive
soon idle
fleet slurm slurm 3
engine slurm submit slurm

started() { test "$(passive)" -gt $(($(cat slurm.passive) + 300)); }
kill_one() {
	soon started
	kill -KILL $(those n3)
}
fleet slurm killed 3
kill_one &
engine killed submit killed
wait $!

meeting() { on n1 'ss -Hltn sport = :9100' | grep -q .; }
met() { ! meeting; }
stop_one() {
	soon meeting
	soon met
	late=$(those n2)
	kill -STOP $late
	sleep 2 # the start is announced so much ahead
	kill -CONT $late
}
# Shard 3 lets the others wait, so that the rendezvous is seen.
cat >hurried <<'END'
#!/bin/sh
test "${SLURM_PROCID:-}" != 3 || sleep 2
exec lastack "$@"
END
chmod 755 hurried
fleet slurm late 1 --program "$PWD/hurried"
stop_one &
engine late submit late
wait $!

under_load() { test "$(passive)" -gt $(($(cat late.passive) + 300)); }
cancel() {
	soon under_load
	scancel --name cancelled
}
fleet slurm cancelled 60
cancel &
engine cancelled submit cancelled
wait $!

fleet ssh ssh 1
engine ssh env SSH=on sh -s n1 n2 n3 n4 <ssh.sh

# On nodes of Slurm Open MPI would ask Slurm to start it.
fleet mpi mpi 1 --hosts n1,n2,n3,n4
engine mpi on n1 "cd $PWD && OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
	MPIRUN_FLAGS='--mca plm rsh --mca plm_rsh_agent on --mca btl tcp,self' sh mpi.sh"
