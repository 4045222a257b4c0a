#!/bin/sh
# Runs the end-to-end tests of the API server with published clients.
#
#   tests/api/run.sh PROGRAM [WORK_FOLDER] [pytest arguments]
#
# WORK_FOLDER (default: api-tests beside the program) keeps the Python environment between runs; the first run needs
# a package registry.
set -eu
program=$(realpath "$1")
work=${2:-$(dirname "$program")/api-tests}
[ $# -gt 1 ] && shift 2 || shift 1
here=$(dirname "$(realpath "$0")")
mkdir -p "$work"

if ! cmp -s "$here/requirements.txt" "$work/requirements.installed"; then
  rm -rf "$work/venv"
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$work/requirements.installed"
fi
export MIMO_TEST_PROGRAM="$program" MIMO_TEST_FOLDER="$work" PYTHONDONTWRITEBYTECODE=1
exec "$work/venv/bin/python" -m pytest -p no:cacheprovider -q "$here" "$@"
