#!/bin/sh
# Writes a line to FILE whenever a network device comes or goes: the time, and the MAC addresses of all devices.
# `watch.sh FILE`: on an instance, with its console; facts.py reads what it writes.
seen=none
while :; do
    now=$(cat /sys/class/net/*/address 2> /dev/null | sort | tr '\n' ' ')
    [ "$now" = "$seen" ] || echo "devices $(date +%s.%N) $now" >> "$1"
    seen=$now
    sleep 0.05
done
