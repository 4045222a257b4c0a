#!/usr/bin/env bash
# Configures a preset and builds targets of it: scripts/build.sh PRESET [-DNAME=VALUE]... [-- TARGET...]
# Without targets it only configures.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=$1
shift
definitions=()
while [[ $# -gt 0 && "$1" != -- ]]; do
  definitions+=("$1")
  shift
done
[[ $# -gt 0 ]] && shift

cmake --preset "$preset" "${definitions[@]}" > /dev/null
if [[ $# -gt 0 ]]; then
  cmake --build --preset "$preset" --parallel "$(nproc)" --target "$@"
fi
