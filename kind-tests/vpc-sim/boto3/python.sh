#!/bin/sh
# Prints the path of a Python that has boto3; the first time it is installed from PyPI into the user's cache.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/^boto3==\([^ ]*\).*/\1/p' "$here/requirements.txt")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/eniclaim
folder=$cache/boto3-$version

mkdir -p "$cache"
exec 9>"$folder.lock"
flock 9
# Complete only when pip has succeeded: what was interrupted is made anew.
if [ ! -e "$folder/complete" ]; then
    rm -rf "$folder"
    python3 -m venv "$folder" >&2
    "$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --requirement "$here/requirements.txt" >&2
    touch "$folder/complete"
fi
echo "$folder/bin/python"
