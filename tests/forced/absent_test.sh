#!/bin/sh
# The released program must hold nothing of the forced replies; that the test program does shows that this test can fail.
#
#   absent_test.sh PROGRAM TEST_PROGRAM
set -eu
for mark in MIMO_FORCED_TEXTS ForcedEngine "forced reply"; do
  if ! grep -qa "$mark" "$2"; then
    echo "'$mark' is not even in $2: look for something else" >&2
    exit 1
  fi
  if grep -qa "$mark" "$1"; then
    echo "'$mark' is in $1, which must not have forced replies" >&2
    exit 1
  fi
done
