#!/bin/sh
# Prints the folder of the programs that release images are built with; the first time they are installed into the user's cache.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cyclonedx=0.5.9
version=$(cat "$0" "$here/requirements.txt" | sha256sum | cut -c 1-8)
# zig is a C compiler and a linker for musl on both architectures; aws-lc and mimalloc have C and assembly.
folder=$("$here/../kind-tests/venv.sh" "release-tools-$version" "$here/requirements.txt")
# Away from the repository, whose cargo settings are not meant for it. Cargo puts a program there only when it is whole.
[ -x "$folder/bin/cargo-cyclonedx" ] ||
    (cd / && cargo install --quiet --locked --root "$folder" cargo-cyclonedx --version "$cyclonedx") >&2
echo "$folder/bin"
