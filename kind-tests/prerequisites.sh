#!/bin/sh
# Installs what building and testing need: as root on Debian or Ubuntu by apt and rustup; elsewhere it names what is missing.
set -eu

# program:package; arguments are further ones.
wanted="$* musl-gcc:musl-tools runc:runc buildah:buildah nft:nftables ip:iproute2 strace:strace \
nsenter:util-linux make:make cc:gcc curl:curl"

missing=""
for entry in $wanted; do
    command -v "${entry%%:*}" >/dev/null 2>&1 || missing="$missing ${entry##*:}"
done
# The image of the tests' pods holds nothing else: a busybox that needs a library would not run there.
if ! command -v busybox >/dev/null 2>&1 || readelf -l "$(command -v busybox)" | grep -q INTERP; then
    missing="$missing busybox-static"
fi
# boto3 drives the simulator of AWS from an environment of its own.
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"

if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing:$missing"
        apt-get update -qq
        # shellcheck disable=SC2086 # a list of package names
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    else
        echo "missing:$missing (install these packages, or run this as root on Debian or Ubuntu)" >&2
        exit 1
    fi
fi

command -v cargo >/dev/null 2>&1 || { echo "missing: Rust; install it from https://rustup.rs" >&2; exit 1; }
command -v go >/dev/null 2>&1 || { echo "missing: Go 1.26 or later; install it from https://go.dev/dl" >&2; exit 1; }
# From 1.21 on Go fetches the version that a go.mod asks for.
go_minor=$(go env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
[ "${go_minor:-0}" -ge 21 ] || { echo "$(go env GOVERSION) is too old; install Go 1.26 or later from https://go.dev/dl" >&2; exit 1; }
# rust-toolchain.toml names the compiler and the musl target; the first use of cargo installs both where rustup is there.
target=$(rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-musl
if [ ! -d "$target" ]; then
    command -v rustup >/dev/null 2>&1 || { echo "missing: the Rust target x86_64-unknown-linux-musl" >&2; exit 1; }
    rustup target add x86_64-unknown-linux-musl
fi
[ "$(id -u)" = 0 ] || { echo "run this as root: network namespaces, mounts and containers need it" >&2; exit 1; }
