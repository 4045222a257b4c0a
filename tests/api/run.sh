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
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$work/requirements.installed"
fi
forced=$(dirname "$program")/tests/mimo-forced
[ ! -x "$forced" ] || export MIMO_FORCED_PROGRAM="$forced"
# With MIMO_TEST_AGENTS=1 also Codex and Claude Code, 143 and 178 MB to download, in an environment of their own
# (docs/decisions/0020-anthropic-and-responses.md).
if [ -n "${MIMO_TEST_AGENTS:-}" ]; then
  if ! cmp -s "$here/requirements-agents.txt" "$work/requirements-agents.installed"; then
    rm -rf "$work/agents-venv"
    python3 -m venv "$work/agents-venv"
    "$work/agents-venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-compile -r "$here/requirements-agents.txt"
    cp "$here/requirements-agents.txt" "$work/requirements-agents.installed"
  fi
fi
export MIMO_TEST_PROGRAM="$program" MIMO_TEST_FOLDER="$work" PYTHONDONTWRITEBYTECODE=1
exec "$work/venv/bin/python" -m pytest -p no:cacheprovider -q "$here" "$@"
