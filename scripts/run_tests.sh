#!/usr/bin/env bash
# Every ring of tests, quickest answer first. A failing ring does not stop the others; the last line sums them.
#   release     what needs the optimised program: kernels, model, parity, command line, server, trainer; and the tree
#   asan        unit tests (but src/data's) and fuzz corpora under AddressSanitizer and UndefinedBehaviorSanitizer
#   tsan        tests of the modules with threads under ThreadSanitizer
#   clang-tidy  one test
# All of it ends within MIMO_TEST_MINUTES (38): what a ring will take is judged by the release build, and one that does
# not fit any more is left out, which the last lines say.
set -uo pipefail
cd "$(dirname "$0")/.."

seconds_max=$((${MIMO_TEST_MINUTES:-38} * 60))
build_seconds=0  # of the release build
rings_left_out=()

passed=0
failed=0
failed_rings=()

fail_ring() {  # NAME: a ring that could not even count its tests
  failed=$((failed + 1))
  failed_rings+=("$1")
}

run_ctest() {  # NAME FOLDER [CTEST_ARGUMENT]...
  local name=$1 folder=$2 log summary
  shift 2
  log="$folder/ctest.log"
  ctest --test-dir "$folder" --output-on-failure --no-tests=error -j "$(nproc)" "$@" 2>&1 | tee "$log" |
    grep -vE '^ *(Start +[0-9]+:|[0-9]+/[0-9]+ Test +#[0-9]+: .* Passed )'
  summary=$(grep -oE '[0-9]+ tests failed out of [0-9]+' "$log")
  if [[ ! "$summary" =~ ^([0-9]+)\ tests\ failed\ out\ of\ ([0-9]+)$ ]]; then
    fail_ring "$name"
    return
  fi
  failed=$((failed + BASH_REMATCH[1]))
  passed=$((passed + BASH_REMATCH[2] - BASH_REMATCH[1]))
  [[ ${BASH_REMATCH[1]} -eq 0 ]] || failed_rings+=("$name")
}

fits() {  # NAME PERCENT: whether a ring that takes so much of the release build's time still fits
  [[ $((SECONDS + build_seconds * $2 / 100)) -gt $seconds_max ]] || return 0
  echo "== $1 is left out: the release build took $((build_seconds / 60)) min here, and it would take $2 % of that"
  rings_left_out+=("$1")
  return 1
}

ring() {  # NAME: the heading of a ring
  echo "== $1 (after $((SECONDS / 60)) min $((SECONDS % 60)) s)"
}

# Unit tests that do not depend on what the optimiser does run once, under the sanitizers: compiling them twice cost
# a quarter of the time.
ring release
targets=(mimo mimo-forced mimo-train grammar_check kernels_test model_test data_test train_test parity_test benches)
if scripts/build.sh release -DMIMO_TESTS=ON -DMIMO_FORCED=ON -DMIMO_TRAINER=ON -- "${targets[@]}" > build-release.log 2>&1; then
  build_seconds=$SECONDS
  run_ctest release build -LE '^(unit-(base|text|home|weights|engine|server)|fuzz)$' -E '_NOT_BUILT$'
else
  tail -n 60 build-release.log
  fail_ring release
fi

for sanitizer in asan tsan; do
  if [[ "$sanitizer" == asan ]]; then percent=170; else percent=50; fi
  fits "$sanitizer" "$percent" || continue
  ring "$sanitizer"
  # All but the generator of training data: what it reads is compiled in, and its tests cost minutes here.
  targets=(base_test kernels_test text_test home_test weights_test model_test engine_test server_test fuzzers)
  filter=()
  if [[ "$sanitizer" == tsan ]]; then
    # Not the server's: its HTTP library is not instrumented, and what it orders looks like a race.
    targets=(base_test engine_test)
    filter=(-L '^unit-')
  else
    filter=(-L '^(unit-|fuzz$)')
  fi
  if scripts/build.sh "$sanitizer" -- "${targets[@]}" > "build-$sanitizer.log" 2>&1; then
    run_ctest "$sanitizer" "build-$sanitizer" "${filter[@]}"
  else
    tail -n 60 "build-$sanitizer.log"
    fail_ring "$sanitizer"
  fi
done

if fits clang-tidy 70; then
  ring clang-tidy
  if scripts/run_clang_tidy.sh build; then
    passed=$((passed + 1))
  else
    fail_ring clang-tidy
  fi
fi

ring end
[[ ${#rings_left_out[@]} -eq 0 ]] || echo "rings left out for lack of time: ${rings_left_out[*]}"
[[ ${#failed_rings[@]} -eq 0 ]] || echo "failed rings: ${failed_rings[*]}"
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
