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
: "${NAME:?}"
refuse() {
  echo "$NAME: $*" >&2
  exit 2
}
# A folder is named from where the caller stands.
for given in WORK OUT SCENES TRAINED BASE SFT RL; do
  if [ -n "${!given:-}" ]; then export "$given=$(realpath -m -- "${!given}")"; fi
done
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT" || exit
WORK=${WORK:-runs/gpu/$NAME}
OUT=${OUT:-out/gpu}
WAIT=${WAIT:-480}
MINUTES=${MINUTES:-26}
CORES=${CORES:-$(nproc)}
for given in MINUTES CORES WAIT; do
  least=$([ "$given" = WAIT ] && echo 0 || echo 1)
  if ! [[ ${!given} =~ ^(0|[1-9][0-9]{0,5})$ ]] || [ "${!given}" -lt "$least" ]; then
    refuse "$given is '${!given}'; it must be a whole number of at least $least"
  fi
done
if ! mkdir -p "$WORK/done" "$OUT" || ! touch "$WORK/log"; then
  refuse "nothing can be written to $WORK or $OUT; name other folders with WORK=FOLDER and OUT=FOLDER"
fi

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

# A stage of what is no dry run: hours on a processor would give nothing of use.
gpu() {
  "$PYTHON" -c 'import sys, torch
sys.exit(None if torch.cuda.is_available() else "torch finds no GPU: mend its driver, or try the kit with --dry-run")'
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

# A process that ended may be kept by a container that buries none, and its number may be another's after a restart: only
# one that still has this script's name counts.
alive() {
  local pid
  pid=$(cat "$WORK/pid" 2>/dev/null)
  [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$(basename "$SELF")"
}

# What is there from a dry run teaches nothing, and would count as done.
same_kind() {
  local kind=real before
  if [ -n "${DRY_RUN:-}" ]; then kind=dry; fi
  before=$(cat "$WORK/kind" 2>/dev/null)
  if [ -n "$before" ] && [ "$before" != "$kind" ]; then
    refuse "$WORK holds a $before run, and this is a $kind one; remove that folder, or name another with WORK=FOLDER"
  fi
  echo "$kind" >"$WORK/kind" || refuse "nothing can be written to $WORK; make room there, or name another with WORK=FOLDER"
}

# Ends the job and all that it started: setsid made it the leader of their group.
end() {
  local pid
  pid=$(cat "$WORK/pid")
  kill -- "-$pid" 2>/dev/null || kill "$pid"
  for _ in $(seq 50); do
    kill -0 -- "-$pid" 2>/dev/null || alive || return 0
    sleep 0.2
  done
  kill -KILL -- "-$pid" 2>/dev/null
  sleep 0.2
}

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
  mkdir -p "$OUT" || refuse "$OUT can't be made; name another folder with OUT=FOLDER"
  tr '\r' '\n' <"$WORK/log" | grep -v '^$' | tail -c 2000000 >"$OUT/log.txt"
  bring
}

main() {
  local given
  for given in "${@:2}"; do
    [ "$given" = --dry-run ] || refuse "unknown: $given; beside the command there is only --dry-run"
  done
  case ${1:-} in
    start)
      if alive; then
        say "at work already: process $(cat "$WORK/pid")"
        return
      fi
      same_kind
      # A start after the end has the minutes anew.
      if [ ! -s "$WORK/ends" ] || [ "$(left)" -le 0 ]; then echo $(($(date +%s) + 60 * MINUTES)) >"$WORK/ends"; fi
      rm -f "$WORK/pid"
      setsid bash "$SELF" run >>"$WORK/log" 2>&1 </dev/null &
      # The job itself says that it is there.
      until [ -s "$WORK/pid" ]; do
        kill -0 $! 2>/dev/null || refuse "the job did not start: $(tail -n 1 "$WORK/log")"
        sleep 0.1
      done
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
      if alive; then end; fi
      report
      ;;
    run)
      same_kind
      echo $$ >"$WORK/pid"
      unpack
      stages
      touch "$WORK/done/all"
      say "done: everything"
      ;;
    *)
      sed -n '2,/^set\|^[A-Z]*=/p' "$SELF" | grep '^#' | grep -v '^# shellcheck' | cut -c3-
      return 2
      ;;
  esac
}
