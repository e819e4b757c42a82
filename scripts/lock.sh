#!/usr/bin/env bash
# Writes requirements/*.lock: an exact version of everything that is installed, with its hashes, for
# Python 3.11 and newer. What is locked stays as long as pyproject.toml and requirements/*.in allow
# it.
#   UPGRADE=1   take the newest versions that they allow
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/uv.sh

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
get_uv "${PYTHON:-python3}" "$folder"

lock() { # name, then what is locked
    echo "lock.sh: requirements/$1.lock"
    "$folder/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-package torch --custom-compile-command "make lock" ${UPGRADE:+--upgrade} \
        --output-file "requirements/$1.lock" "${@:2}"
}

lock uv requirements/uv.in
lock dev --extra dev pyproject.toml requirements/{torch,backend,dev}.in
lock backend --constraints requirements/dev.lock pyproject.toml requirements/{torch,backend}.in
lock studio requirements/studio.in
for asked in requirements/studio-*.in; do
    UPGRADE='' lock "$(basename "$asked" .in)" "$asked" # nobody updates an old Label Studio's parts
done
