#!/bin/sh
# Puts a hawkBit for `make test-hawkbit` into .tools/hawkbit: needs java and mvn, from Debian's
# default-jdk-headless and maven. What Maven fetches stays in its own repository.
set -eu
cd "$(dirname "$0")/.."
folder=.tools/hawkbit
source=tests/hawkbit/server
missing=""
command -v java >/dev/null 2>&1 || missing="$missing default-jdk-headless"
command -v mvn >/dev/null 2>&1 || missing="$missing maven"
if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
        echo "Please install:$missing (or run this as root on Debian, and it will)." >&2
        exit 1
    fi
    echo "Installing:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
stamp=$folder/.ready
if [ ! -e "$stamp" ] || [ -n "$(find "$source" -newer "$stamp" -type f)" ]; then
    echo "Setting up hawkBit in $folder (some 150 jars the first time)"
    rm -rf "$folder"
    mkdir -p "$folder"
    cp -r "$source/." "$folder"
    (cd "$folder" && mvn -q -B compile dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory=lib)
    touch "$stamp"
fi
