# A job that outlives the call that starts it, for a machine that is lent for a while and asked in short calls; sourced.
#
#   start     begin, or go on where it stopped; returns at once
#   status    wait until it ends, or WAIT seconds (480), say how far it is, and bring back what there is
#   collect   bring back what there is
#   stop      end it; `start` goes on
#   run       the job itself, in the foreground
#
# The script that sources this sets NAME and defines `stages`, which calls `stage NAME COMMAND...` for each step, and
# `bring`, which puts into $OUT what is to come back. A stage that was done is not done again.
set -uo pipefail
for given in "$@"; do
  if [ "$given" = --dry-run ]; then export DRY_RUN=1; fi
done
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT" || exit
: "${NAME:?}"
WORK=${WORK:-runs/gpu/$NAME}
OUT=${OUT:-out/gpu}
WAIT=${WAIT:-480}
MINUTES=${MINUTES:-26}
CORES=${CORES:-$(nproc)}
mkdir -p "$WORK/done" "$OUT"
touch "$WORK/log"

# Python with the packages of this tree, or of that machine and what was carried to it.
if [ -x .venv/bin/python ]; then
  PYTHON=${PYTHON:-.venv/bin/python}
else
  PYTHON=${PYTHON:-python3}
fi
export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false
export MUJOCO_GL=${MUJOCO_GL:-egl} HF_HUB_OFFLINE=1

unpack() {
  if compgen -G ".whl/*.whl" >/dev/null && [ ! -x .venv/bin/python ]; then
    local site=$ROOT/runs/gpu/site
    if [ ! -e "$site/whole" ]; then
      "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$site" .whl/*.whl &&
        touch "$site/whole"
    fi
    export PYTHONPATH="$PYTHONPATH:$site"
  fi
  if compgen -G ".gl/*.deb" >/dev/null && [ "$(id -u)" = 0 ] && ! ldconfig -p | grep -q libEGL.so.1; then
    for file in .gl/*.deb; do dpkg -x "$file" /; done
    ldconfig
  fi
}

say() { echo "$(date +%T) $*"; }

# Seconds until the job's end by the clock, which `start` sets.
left() {
  if [ -s "$WORK/ends" ]; then
    echo $(($(cat "$WORK/ends") - $(date +%s)))
  else
    echo $((60 * MINUTES))
  fi
}

# minutes SHARE: that share of all minutes, but never more than are left.
minutes() { "$PYTHON" -c "print(round(max(0.02, min($1 * $MINUTES, $(left) / 60)), 3))"; }

stage() {
  local name=$1 begun=$SECONDS
  shift
  [ -e "$WORK/done/$name" ] && return 0
  say "begins: $name ($(left) s left)"
  echo "$name" >"$WORK/stage"
  if "$@"; then
    touch "$WORK/done/$name"
    say "done: $name in $((SECONDS - begun)) s"
  else
    say "FAILED: $name; mend it, then start again: what was done stays done"
    exit 1
  fi
}

alive() { [ -s "$WORK/pid" ] && kill -0 "$(cat "$WORK/pid")" 2>/dev/null; }

report() {
  if alive; then
    say "at work: $(cat "$WORK/stage" 2>/dev/null); done: $(ls "$WORK/done" | tr '\n' ' ')"
  elif [ -e "$WORK/done/all" ]; then
    say "done: everything"
  elif [ -s "$WORK/pid" ]; then
    say "stopped at: $(cat "$WORK/stage" 2>/dev/null); \`$0 start\` goes on"
  else
    say "not begun"
  fi
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,utilization.gpu,memory.used --format=csv,noheader || true
  fi
  tr '\r' '\n' <"$WORK/log" | tail -n "${LINES_SHOWN:-12}" | cut -c1-200
}

collect() {
  tr '\r' '\n' <"$WORK/log" | grep -v '^$' | tail -c 2000000 >"$OUT/log.txt"
  bring
}

main() {
  case ${1:-} in
    start)
      if alive; then
        say "at work already: process $(cat "$WORK/pid")"
        return
      fi
      # A start after the end has the minutes anew.
      if [ ! -s "$WORK/ends" ] || [ "$(left)" -le 0 ]; then echo $(($(date +%s) + 60 * MINUTES)) >"$WORK/ends"; fi
      setsid bash "$SELF" run >>"$WORK/log" 2>&1 </dev/null &
      echo $! >"$WORK/pid"
      say "started: process $(cat "$WORK/pid"); look after it with \`$0 status\`"
      ;;
    status)
      local until=$((SECONDS + WAIT))
      while alive && [ "$SECONDS" -lt "$until" ]; do sleep 2; done
      report
      collect
      ;;
    collect) collect ;;
    stop)
      # setsid made it the leader of a group that holds all that it started.
      if alive; then kill -- "-$(cat "$WORK/pid")"; fi
      report
      ;;
    run)
      echo $$ >"$WORK/pid"
      unpack
      stages
      touch "$WORK/done/all"
      say "done: everything"
      ;;
    *)
      sed -n '2,/^set\|^[A-Z]*=/p' "$SELF" | grep '^#' | cut -c3-
      return 2
      ;;
  esac
}
