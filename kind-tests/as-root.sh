#!/bin/sh
# Runs a program as root, with the environment of whoever calls: what is built is the caller's, only what runs is raised.
set -eu
[ "$(id -u)" = 0 ] && exec "$@"
exec sudo --preserve-env env "PATH=$PATH:/usr/sbin:/sbin" "HOME=$HOME" "$@"
