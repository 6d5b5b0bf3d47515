#!/bin/sh
# Compiles the preflight and runs it: it installs or names what building and testing need. Arguments: further program:package.
set -eu
cd "$(dirname "$0")/.."

# sudo hides cargo and go, and would make target/ root's.
if [ -n "${SUDO_UID:-}" ] && ! command -v cargo >/dev/null 2>&1; then
    echo "started by sudo; start it as yourself: what needs root is raised by itself" >&2
    exit 1
fi
command -v cargo >/dev/null 2>&1 || { echo "missing: Rust; install it from https://rustup.rs" >&2; exit 1; }
# Rust links by it.
command -v cc >/dev/null 2>&1 || { echo "missing: a C compiler; on Debian and Ubuntu: apt-get install gcc make" >&2; exit 1; }

source=kind-tests/cluster/src
program=target/preflight
if ! [ "$program" -nt "$source/bin/preflight.rs" ] || ! [ "$program" -nt "$source/preflight.rs" ]; then
    mkdir -p target
    rustc --edition 2024 -o "$program" "$source/bin/preflight.rs"
fi
exec "$program" "$@"
