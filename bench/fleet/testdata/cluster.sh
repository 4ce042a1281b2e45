#!/bin/sh
# A cluster on one host, for tests: hosts n1 to n4 with Slurm, ctl with its controller, and web with a lastack serve. Each is a network and UTS
# namespace on one bridge that leads nowhere else. It runs a command on ctl, and ends with it.
#
#   unshare --net --uts --mount --pid --fork --kill-child --mount-proc sh cluster.sh DIR COMMAND [ARG...]
#
# In DIR, whose path must be short for sockets, are the hosts' logs, the ids of their first processes, and the program "on", which stands in for
# ssh. The command has it in its PATH, and DIR as $HOSTS. Slurm runs as root: nobody else is here.
set -eu
dir=$1
shift
mkdir -p "$dir/bin" "$dir/spool"
printf '127.0.0.1 localhost\n' >"$dir/hosts"
i=1
for host in ctl web n1 n2 n3 n4; do
	printf '198.18.0.%d %s\n' $i $host >>"$dir/hosts"
	i=$((i + 1))
done
mount --bind "$dir/hosts" /etc/hosts
ip link add name bridge0 type bridge
ip link set bridge0 up

address() { sed -n "s/ $1\$//p" "$dir/hosts"; }

# add HOST COMMAND: begin a host whose first process is the command.
add() {
	host=$1
	shift
	mkfifo "$dir/$host.up"
	unshare --net --uts sh -c 'hostname "$0"; read -r _ <"$1"; ip link set lo up; ip address add "$2"/24 dev eth0; ip link set eth0 up; shift 2; exec "$@"' \
		"$host" "$dir/$host.up" "$(address $host)" "$@" >"$dir/$host.log" 2>&1 &
	pid=$!
	echo $pid >"$dir/$host.pid"
	until test "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/self/ns/net)"; do sleep 0.01; done
	ip link add name "$host" type veth peer name eth0 netns $pid
	ip link set "$host" master bridge0 up
	echo >"$dir/$host.up"
}

cat >"$dir/bin/on" <<E2
#!/bin/sh
host=\$1
shift
exec nsenter --target "\$(cat $dir/\$host.pid)" --net --uts sh -c "\$*"
E2
chmod 755 "$dir/bin/on"
PATH=$dir/bin:$PATH
export PATH

cat >"$dir/slurm.conf" <<E2
ClusterName=test
SlurmctldHost=ctl(198.18.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
StateSaveLocation=$dir/spool/ctl
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1
E2
for host in n1 n2 n3 n4; do echo "NodeName=$host NodeAddr=$(address $host) CPUs=$(nproc) State=UNKNOWN" >>"$dir/slurm.conf"; done
echo 'PartitionName=all Nodes=n[1-4] Default=YES MaxTime=INFINITE State=UP' >>"$dir/slurm.conf"
mkdir -p "$dir/spool/ctl" "$dir/spool/n1" "$dir/spool/n2" "$dir/spool/n3" "$dir/spool/n4"
SLURM_CONF=$dir/slurm.conf HOSTS=$dir
export SLURM_CONF HOSTS

head -c 1024 /dev/urandom >"$dir/munge.key"
chmod 400 "$dir/munge.key"
hostname ctl
munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" --log-file="$dir/munged.log" --seed-file="$dir/munge.seed"

add ctl slurmctld -D -f "$dir/slurm.conf"
add web lastack serve --listen 198.18.0.2:9000 --exchange echo:1,1
for host in n1 n2 n3 n4; do add $host slurmd -D -N $host -f "$dir/slurm.conf"; done
exec nsenter --target "$(cat "$dir/ctl.pid")" --net --uts "$@"
