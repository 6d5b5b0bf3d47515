#!/bin/sh
# Prints the folder of a Python environment in the user's cache; the first time it is installed from PyPI. Arguments: name, requirements.
set -eu

cache=${XDG_CACHE_HOME:-$HOME/.cache}/eniclaim
folder=$cache/$1

mkdir -p "$cache"
exec 9>"$folder.lock"
flock 9
# Complete only when pip has succeeded: what was interrupted is made anew.
if [ ! -e "$folder/complete" ]; then
    rm -rf "$folder"
    python3 -m venv "$folder" >&2
    "$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --requirement "$2" >&2
    touch "$folder/complete"
fi
echo "$folder"
