#!/usr/bin/env bash
# Runs clang-tidy over every source of ours that the build folder compiles: scripts/run_clang_tidy.sh BUILD_FOLDER
# Tests and benchmarks are left to the compilers: their macros cost minutes and find nothing. So is the trainer: clang 14
# does not take libtorch's headers as C++20. And so is what this machine does not compile: variants for other processors.
# Of the x86 variants one is enough: all are compiled from the same headers. What is compiled as one file is looked at as
# one: that costs a fourth.
set -euo pipefail
cd "$(dirname "$0")/.."

python3 - "$1/compile_commands.json" <<'END' |
import json, re, sys
for entry in json.load(open(sys.argv[1])):
    target = re.search(r" -o \S*CMakeFiles/([^/]+)\.dir/", entry["command"]).group(1)
    is_ours = re.fullmatch("mimo|mimo_.*", target) and target != "mimo_train"
    if is_ours and not re.search(r"kernels_avx(vnni|512)", entry["file"]):
        print(entry["file"], end="\0")
END
  xargs -0 -n 1 -P "$(nproc)" clang-tidy --quiet --extra-arg=-Wno-unknown-warning-option -p "$1" 2> >(grep -v 'warnings\? generated' >&2)
