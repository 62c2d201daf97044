#!/bin/sh
# Prepares everything that the demo ("run") or the tests ("test") need, and does nothing the second
# time. Needs Python 3.11 or newer; installs what else is missing with apt-get where it may.
set -eu
cd "$(dirname "$0")/.."
what=${1:-run}

# Debian's package for each command the tests call.
packages=""
need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || packages="$packages $2"
}
if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then packages="$packages python3-venv"; fi
if [ "$what" = test ]; then
    need chromium chromium
    need swupdate swupdate
    need cpio cpio
    need openssl openssl
    need curl curl
    need wget wget
    need git git
    need valgrind valgrind
    # Debian keeps it in /usr/sbin, which is not in everybody's PATH.
    [ -x /usr/sbin/mosquitto ] || need mosquitto mosquitto
    # What the node inside playwright is linked with; no package of ours depends on it.
    /sbin/ldconfig -p | grep -q 'libatomic\.so\.1' || packages="$packages libatomic1"
fi
if [ -n "$packages" ]; then
    if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
        echo "Please install:$packages (or run this as root on Debian, and it will)." >&2
        exit 1
    fi
    echo "Installing:$packages"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages \
        >/dev/null
fi

# One stamp for each kind of set-up: a change of the dependencies makes it anew.
stamp=.venv/.ready-$what
if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
    echo "Setting up .venv"
    [ -x .venv/bin/python ] || python3 -m venv .venv
    if [ "$what" = test ]; then extras='.[dev]'; else extras='.'; fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable "$extras"
    touch "$stamp"
fi
if [ "$what" = test ]; then
    # Parts that no pip package holds, each fetched once into .tools/.
    for part in tools/setup_*.sh; do "$part"; done
    .venv/bin/python tools/build_page.py --check
fi
