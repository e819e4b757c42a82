#!/usr/bin/env bash
# Every install step, in one place: for people, for the tests and for the Docker image.
#
#   scripts/install.sh backend VENV_DIR [dev]    the backend; dev: and what its tests and demo need
#   scripts/install.sh studio VENV_DIR [RELEASE] Label Studio (its dependencies clash with ours);
#                                                RELEASE: an old one of requirements/studio-*.lock
#
# VENV_DIR is made when it is missing; '-' installs into the python at hand (an image needs no venv).
# All but PyTorch are the versions of requirements/*.lock, with their hashes.
#   PYTHON            makes the venv, 3.11 or newer (default: python3)
#   TORCH_BACKEND     the build of PyTorch. auto: the one for this machine's GPU, and without a GPU
#                     the small CPU build; cpu, cu128 or another that uv's --torch-backend knows;
#                     pip: what pip finds. The default is auto, or pip where pip was told of other
#                     places to look for packages
#   TORCH_INDEX_URL   instead of a build: the address to get it from (see PyTorch's 'Get started')
set -euo pipefail

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

what=${1:-} venv=${2:-} extra=${3:-}
[[ "$what $extra" =~ ^(backend\ (dev)?|studio\ [0-9.]*)$ && -n $venv ]] ||
    fail "call it as: install.sh backend VENV_DIR [dev], or: install.sh studio VENV_DIR [RELEASE]"
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python 3.11 or newer is needed, but '$python' is: $("$python" --version 2>&1)." \
        "Set PYTHON to a newer one."

root=$(cd "$(dirname "$0")/.." && pwd)
[[ $what == backend || -f $root/requirements/studio${extra:+-$extra}.lock ]] ||
    fail "there is no requirements/studio-$extra.lock, so nobody knows what Label Studio $extra needs"
. "$root/scripts/uv.sh"
if [[ $venv != - ]]; then
    stamp=$venv/installed
    choices="$* ${TORCH_BACKEND:-} ${TORCH_INDEX_URL:-}"
    state=$(cat "$root"/{pyproject.toml,scripts/*.sh,requirements/*} - <<<"$choices" | cksum)
    if [[ -x $venv/bin/python && -f $stamp && $(<"$stamp") == "$state" ]]; then
        exit
    fi
    echo "install.sh: making $venv"
    # Also on a venv that exists: it repairs one whose python was removed or replaced.
    "$python" -m venv "$venv"
    rm -f "$stamp"
    python=$venv/bin/python
fi

step() { # what, then a command
    if [[ ! -t 1 ]]; then
        echo "install.sh: installing $1"
        "${@:2}"
        return
    fi
    # pip's own bars, one a package, tell nothing of the whole: somebody who looks on sees the time.
    "${@:2}" &
    local running=$! began=$SECONDS
    while kill -0 "$running" 2>/dev/null; do
        printf '\rinstall.sh: installing %s: %d s' "$1" $((SECONDS - began))
        sleep 1
    done
    echo
    wait "$running"
}

pip_install() {
    "$python" -m pip install -qq --disable-pip-version-check "$@"
}

locked() { # name of a lock, options of pip: these versions and nothing else
    pip_install --no-deps --require-hashes -r "$root/requirements/$1.lock" "${@:2}"
}

pytorch() {
    local packages=(-r "$root/requirements/torch.in")
    if [[ -n ${TORCH_INDEX_URL:-} ]]; then
        pip_install --index-url "$TORCH_INDEX_URL" "${packages[@]}"
    elif [[ $1 == pip ]]; then
        pip_install "${packages[@]}"
    else
        local folder
        folder=$(mktemp -d)
        get_uv "$python" "$folder"
        "$folder/bin/uv" pip install --quiet --python "$python" --torch-backend "$1" "${packages[@]}"
        rm -rf "$folder"
    fi
}

build_of_pytorch() {
    local told
    told=$("$python" -m pip config list)
    if grep -Eq '\.(index-url|extra-index-url|find-links)=' <<<"$told"; then
        echo pip
    else
        echo auto
    fi
}

case $what in
backend)
    if [[ $extra == dev ]]; then
        step "what the backend needs, and its tools" locked dev
    else
        step "what the backend needs" locked backend
    fi
    # What all builds need is there already; those for a GPU bring more.
    step "PyTorch (the largest part: minutes)" pytorch "${TORCH_BACKEND:-$(build_of_pytorch)}"
    step "the backend" pip_install --no-deps --no-build-isolation ${extra:+--editable} "$root"
    ;;
studio)
    # Most of its files are never imported: to compile them all would take half of the time.
    step "Label Studio${extra:+ $extra} (minutes)" locked "studio${extra:+-$extra}" --no-compile
    ;;
esac
[[ $venv == - ]] || echo "$state" >"$stamp"
echo "install.sh: done in $SECONDS s"
