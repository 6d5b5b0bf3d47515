#!/bin/sh
# Runs a program as root; what is built stays the caller's. Of the caller's environment the program gets only what the tests,
# cargo and the caches need. It gets it from env, since not every sudo (sudo-rs) has --preserve-env, and without tokens: others
# see the command line.
set -eu
[ "$(id -u)" = 0 ] && exec "$@"

names='ENICLAIM_[A-Z]*|E2E_CLUSTER|XDG_CACHE_HOME|TMPDIR|RUST_BACKTRACE|CARGO_HOME|RUSTUP_HOME|RUSTUP_TOOLCHAIN'
for name in $(env | sed -nE "s/^($names)=.*/\1/p"); do
    eval "value=\${$name:-}"
    set -- "$name=$value" "$@"
done
exec sudo env "PATH=$PATH:/usr/sbin:/sbin" "HOME=$HOME" "$@"
