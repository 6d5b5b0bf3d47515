#!/bin/sh
# Prints the path of a Python that has boto3; the first time it is installed from PyPI into the user's cache.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/^boto3==\([^ ]*\).*/\1/p' "$here/requirements.txt")
folder=$("$here/../../venv.sh" "boto3-$version" "$here/requirements.txt")
echo "$folder/bin/python"
