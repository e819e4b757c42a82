# Sourced by install.sh and lock.sh.

get_uv() { # a python, an empty folder: puts uv there, into bin
    "$1" -m pip install -qq --disable-pip-version-check --root-user-action ignore --target "$2" \
        --no-deps --require-hashes -r "$(dirname "${BASH_SOURCE[0]}")/../requirements/uv.lock"
}
