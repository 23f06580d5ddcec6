#!/usr/bin/env bash
# Runs the ROS tests several times in a row beside a process that burns one core, and prints each run's counts.
#
#   tools/beside_busy_core.sh [RUNS] [PYTEST ARGUMENT ...]
#
# RUNS is 5 where it is left out; the arguments are `tests/ros` where none name a test. Ends with 1 where a run failed;
# what failed in it is printed under its counts.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 2
runs=5
case ${1:-} in '' | *[!0-9]*) ;; *) runs=$1; shift ;; esac
case " $* " in *tests/ros*) ;; *) set -- tests/ros "$@" ;; esac

parent=$$
# It ends with this script, even where that is killed.
( while kill -0 "$parent" 2>/dev/null; do for ((turn = 0; turn < 100000; turn++)); do :; done; done ) &
burner=$!
log=$(mktemp)
trap 'kill "$burner" 2>/dev/null; rm -f "$log"' EXIT
trap 'exit 130' INT TERM

failed=0
for ((run = 1; run <= runs; run++)); do
  tools/env.sh python -m pytest -q -rf "$@" >"$log" 2>&1
  result=$?
  printf 'run %d of %d: %s\n' "$run" "$runs" "$(tail -n 1 "$log")"
  if [ "$result" -ne 0 ]; then
    failed=$((failed + 1))
    grep -E '^(FAILED|ERROR|E  )' "$log" | sed 's/^/  /'
  fi
done
printf '%d of %d runs passed beside a busy core\n' "$((runs - failed))" "$runs"
[ "$failed" -eq 0 ]
