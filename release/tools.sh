#!/bin/sh
# Prints the folder of the programs that release images are built with; the first time they are installed into the user's cache.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cyclonedx=0.5.9
version=$(cat "$0" "$here/requirements.txt" | sha256sum | cut -c 1-8)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/eniclaim
folder=$cache/release-tools-$version

mkdir -p "$cache"
exec 9>"$folder.lock"
flock 9
# Complete only when all steps have succeeded: what was interrupted is made anew.
if [ ! -e "$folder/complete" ]; then
    rm -rf "$folder"
    # zig is a C compiler and a linker for musl on both architectures; aws-lc and mimalloc have C and assembly.
    python3 -m venv "$folder" >&2
    "$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --requirement "$here/requirements.txt" >&2
    # Away from the repository, whose cargo settings are not meant for it.
    (cd / && cargo install --quiet --locked --root "$folder" cargo-cyclonedx --version "$cyclonedx") >&2
    touch "$folder/complete"
fi
echo "$folder/bin"
