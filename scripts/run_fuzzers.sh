#!/usr/bin/env bash
# Runs each fuzz target for some seconds: scripts/run_fuzzers.sh SECONDS
# New inputs go to build-fuzz/corpus; a crash is kept there too and named.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/build.sh fuzz -- fuzzers
for program in build-fuzz/*_fuzz; do
  name=$(basename "$program" _fuzz)
  mkdir -p "build-fuzz/corpus/$name"
  echo "fuzzing $name for $1 s" >&2
  "$program" -max_total_time="$1" -artifact_prefix="build-fuzz/corpus/$name-" \
    "build-fuzz/corpus/$name" "tests/fuzz/corpus/$name"
done
