#!/bin/sh
# Puts gooseBit, the update server that the tests upload releases to, into a Python of its own:
# it wants some seventy packages in versions that nothing here should be bound to.
set -eu
cd "$(dirname "$0")/.."
version=0.2.12
folder=.tools/goosebit
stamp=$folder/.ready-$version
if [ ! -e "$stamp" ]; then
    echo "Setting up gooseBit in $folder"
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "goosebit==$version"
    touch "$stamp"
fi
