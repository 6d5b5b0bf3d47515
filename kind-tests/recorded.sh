#!/bin/sh
# Runs a test program and keeps what it prints for `make cases`: target/passed/<package>.<program>, anew for a whole run, further
# lines for a run of some tests.
set -eu
program= whole=true
for word; do
    case "$word" in
        */deps/*) program=$(basename "$word" | sed 's/-[0-9a-f]*$//') ;;
        *) [ -z "$program" ] || whole=false ;;
    esac
done
[ -n "$program" ] || exec "$@"
folder=$(dirname "$0")/../target/passed
file=$folder/${CARGO_PKG_NAME:-none}.$program
mkdir -p "$folder"
$whole && rm -f "$file"
# The program's status, past tee.
exec 4>&1
status=$({ { "$@" 3>&- 4>&- && echo 0 >&3 || echo $? >&3; } | tee -a "$file" >&4 3>&-; } 3>&1)
exit "$status"
