#!/bin/sh
# Checks JSON Schema grammars with the official test suite and with random schemas.
#
#   tests/schema/run.sh PROGRAM [WORK_FOLDER] [pytest arguments]
#
# PROGRAM is grammar_check. WORK_FOLDER keeps the Python environment and the suite (which the source package of
# jsonschema holds) between runs; the first run needs a package registry.
set -eu
program=$(realpath "$1")
work=${2:-$(dirname "$program")/schema-tests}
[ $# -gt 1 ] && shift 2 || shift 1
here=$(dirname "$(realpath "$0")")
mkdir -p "$work"

if ! cmp -s "$here/requirements.txt" "$work/requirements.installed"; then
  rm -rf "$work/venv" "$work/suite"
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  "$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary jsonschema \
    -d "$work/suite" "$(grep '^jsonschema==' "$here/requirements.txt")"
  tar -xzf "$work"/suite/jsonschema-*.tar.gz -C "$work/suite" --strip-components 1
  cp "$here/requirements.txt" "$work/requirements.installed"
fi
export MIMO_GRAMMAR_CHECK="$program" MIMO_SCHEMA_SUITE="$work/suite/json" PYTHONDONTWRITEBYTECODE=1
exec "$work/venv/bin/python" -m pytest -p no:cacheprovider -q "$here" "$@"
