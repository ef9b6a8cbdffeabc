#!/bin/sh
# Runs inside the virtual machine, as its first process; judged outside (checks.py).
# /plan sets CPUS CORES CONNECTIONS KEYS OPERATIONS FAR_CPUS FAR_NODES EXIT_PORT.
# Output: "@@ begin NAME", what the section prints, "@@ end NAME CODE SECONDS_SINCE_BOOT".
export PATH=/bin:/usr/bin HOME=/root
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
mkdir -p /dev/shm
mount -t tmpfs none /dev/shm
mount -t cgroup2 none /sys/fs/cgroup
ip link set lo up
# shellcheck disable=SC3045  # busybox has it
ulimit -n 65536
# shellcheck source=/dev/null
. /plan

groups=/sys/fs/cgroup
tries_max=600

section() { # NAME FUNCTION ARGUMENT...
    name=$1
    shift
    printf '\n@@ begin %s\n' "$name"
    "$@"
    printf '\n@@ end %s %s %s\n' "$name" "$?" "$(cut -d' ' -f1 /proc/uptime)"
}

# Waits until a command succeeds; there is nothing here to be notified by.
await() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt $tries_max ] || return 1
        sleep 0.1
    done
}

server_start() {
    rm -f /tmp/ports
    MEMCACHED_PORT_FILENAME=/tmp/ports larder -v -u root -l 127.0.0.1 -p 11211 "$@" 2>/tmp/log &
    server=$!
    await test -e /tmp/ports && return 0
    cat /tmp/log
    return 1
}

# The exit code is the section's.
server_stop() {
    kill -"$1" $server
    wait $server
    code=$?
    sed 's/^/log /' /tmp/log
    return $code
}

ask() { printf '%s\r\nquit\r\n' "$1" | nc 127.0.0.1 11211 | tr -d '\r'; }

show_stats() {
    ask 'stats larder' |
        grep -E '^STAT (io_|store_pa|core_[0-9]+_(connections|requests) )'
}

show_threads() {
    grep . /proc/$server/task/*/comm
    grep Cpus_allowed_list /proc/$server/task/*/status
}

have_connections() {
    count=$(ask stats | sed -n 's/^STAT curr_connections //p')
    [ "${count:-0}" -ge "$1" ]
}

hold_connections() {
    rm -f /tmp/hold
    mkfifo /tmp/hold
    exec 9<>/tmp/hold
    holders=
    for _ in $(seq "$1"); do
        nc 127.0.0.1 11211 </tmp/hold >/dev/null &
        holders="$holders $!"
    done
    await have_connections "$1"
}

drop_connections() {
    for holder in $holders; do
        kill "$holder"
        wait "$holder"
    done 2>/dev/null
    exec 9<&-
}

load() {
    larder-load --line --stall 120 --duration 600 --warm-up 0 --preload \
        --server-pid $server "$@" 2>&1
    echo "load ended with $?"
}

kernel() {
    uname -r
    cat /sys/devices/system/node/node*/cpulist
}

topology() { larder --topology -t "$1"; }

serve() { # BACK_END
    server_start -t "$CORES" -o "io=$1" || return
    hold_connections "$CONNECTIONS"
    show_threads
    echo "held"
    show_stats
    load --keys "$KEYS" --operations "$OPERATIONS" --connections "$CONNECTIONS" --pipeline 2 \
        --ratio 3:1
    echo "loaded"
    show_stats
    server_stop TERM
    code=$?
    drop_connections
    return $code
}

# Enough that every node's share shows, and for some pages to change hands.
place() { # OPTION...
    server_start -m 64 "$@" || return
    load --keys 8k --value-bytes 3000 --operations 1k --connections 8 --pipeline 4 --ratio 1:1
    show_stats
    show_threads
    grep -E '^[0-9a-f]+ prefer' /proc/$server/numa_maps
    server_stop USR1
}

far() { # COMMAND ...: runs it in the group that may use a part of the machine
    # shellcheck disable=SC2016  # for the inner shell
    sh -c 'echo $$ >/sys/fs/cgroup/far/cgroup.procs && exec "$@"' sh "$@"
}

far_group() {
    echo '+cpuset +cpu' >$groups/cgroup.subtree_control
    mkdir $groups/far
    echo "$FAR_CPUS" >$groups/far/cpuset.cpus
    echo "$FAR_NODES" >$groups/far/cpuset.mems
    cat $groups/far/cpuset.cpus.effective
}

far_quota() {
    echo '150000 100000' >$groups/far/cpu.max
    far larder --topology -t auto
    code=$?
    echo 'max 100000' >$groups/far/cpu.max
    return $code
}

far_place() {
    # this shell itself moves there, and its children with it
    echo $$ >$groups/far/cgroup.procs
    place -t auto
    code=$?
    echo $$ >$groups/cgroup.procs
    return $code
}

section kernel kernel
section topology-auto topology auto
section topology-cpus topology "$CPUS"
section topology-two topology 2
for back_end in uring epoll; do
    section serve-$back_end serve $back_end
done
section place place -t "$CORES"
section place-large-pages place -t "$CORES" -L
section far-group far_group
section far-topology far larder --topology -t auto
section far-quota far_quota
section far-place far_place
export CMOCKA_MESSAGE_OUTPUT=TAP LARDER_TEST_SECONDS=2
for test in /tests/*; do
    section "test-${test##*/}" timeout "$TEST_SECONDS_MAX" "$test"
done
printf '\n@@ done\n'
# the device that ends the machine; the code is qemu's to double
printf '\0' | dd of=/dev/port bs=1 seek="$EXIT_PORT" conv=notrunc 2>/dev/null
poweroff -f
