#!/usr/bin/env bash
# Runs tests of ROS; what failed runs again, alone, and both outcomes are printed.
#
#   tools/ros_tests.sh [PYTEST ARGUMENT ...]
#
# Fast DDS 2.14 now and then keeps a process for ever as it ends (2 of 1,300 nodes, on two busy cores). A fault of
# ours fails twice. Ends as pytest does; what failed only once is named at the end.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 2
log=$(mktemp)
trap 'rm -f "$log"' EXIT

tools/env.sh python -m pytest "$@" | tee "$log"
result=${PIPESTATUS[0]}
[ "$result" -eq 1 ] || exit "$result"
printf '\nagain, alone, what failed:\n'
tools/env.sh python -m pytest "$@" -n 0 --last-failed --last-failed-no-failures none || exit 1
printf '\nfailed at first and passed alone:\n'
grep -E '^(FAILED|ERROR) ' "$log"
exit 0
