#!/usr/bin/env bash
# Runs clang-tidy over every .cc of ours that the build folder compiles: scripts/run_clang_tidy.sh BUILD_FOLDER
# Tests and benchmarks are left to the compilers: their macros cost minutes and find nothing. So is the trainer: clang 14
# does not take libtorch's headers as C++20. And so is what this machine does not compile: variants for other processors.
# Of the x86 variants one is enough: all are compiled from the same headers.
set -euo pipefail
cd "$(dirname "$0")/.."

is_compiled() { grep -qF "\"$PWD/$1\"" "$2/compile_commands.json"; }

find src apps -name '*.cc' ! -name '*_test.cc' ! -name '*_bench.cc' ! -name '*_fuzz.cc' \
  ! -name 'kernels_avxvnni.cc' ! -name 'kernels_avx512*.cc' ! -path 'src/train/*' ! -path 'apps/train/*' |
  while read -r file; do ! is_compiled "$file" "$1" || printf '%s\0' "$file"; done |
  xargs -0 -n 4 -P "$(nproc)" clang-tidy --quiet --extra-arg=-Wno-unknown-warning-option -p "$1" 2> >(grep -v 'warnings\? generated' >&2)
