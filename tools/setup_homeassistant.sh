#!/bin/sh
# Puts Home Assistant into a Python of its own: the newest that Python 3.11 runs, whose MQTT
# integration the tests start, and the archive of a newer one, from which they read the schema of
# an update's state.
set -eu
cd "$(dirname "$0")/.."
version=2024.3.3
newer=2026.11.0
folder=.tools/homeassistant
stamp=$folder/.ready-$version-$newer
if [ ! -e "$stamp" ]; then
    echo "Setting up Home Assistant in $folder"
    rm -rf "$folder"
    python3 -m venv "$folder"
    # What its MQTT integration asks for at the first start, too.
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
        "homeassistant==$version" "paho-mqtt==1.6.1" "janus==1.0.0"
    "$folder/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --ignore-requires-python --python-version 3.14 --only-binary :all: \
        --dest "$folder/newer" "homeassistant==$newer"
    touch "$stamp"
fi
