#!/usr/bin/env bash
# Runs clang-tidy over every .cc of ours that the build folder compiles: scripts/run_clang_tidy.sh BUILD_FOLDER
# Tests and benchmarks are left to the compilers: their macros cost minutes and find nothing. So is the trainer: clang 14
# does not take libtorch's headers as C++20.
set -euo pipefail
cd "$(dirname "$0")/.."

find src apps -name '*.cc' ! -name '*_test.cc' ! -name '*_bench.cc' ! -name '*_fuzz.cc' \
  ! -path 'src/train/*' ! -path 'apps/train/*' -print0 |
  xargs -0 -n 4 -P "$(nproc)" clang-tidy --quiet --extra-arg=-Wno-unknown-warning-option -p "$1" 2> >(grep -v 'warnings\? generated' >&2)
