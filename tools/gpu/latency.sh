#!/usr/bin/env bash
# Milliseconds of Qwen3-VL 2B, 4B and 8B at random weights on this machine's GPU: first token, each further token, whole
# answer, one question at a time and eight, against the least that its memory allows, which is measured in the same run.
# Needs PyTorch, transformers and what wheels.sh gathers, no checkpoint and no scene.
#
#   tools/gpu/latency.sh [--dry-run] [OPTION OF egm bench ...]
#
# One call of some minutes, MINUTES=9 at most; $OUT gets latency.json, latency.md and latency.svg, of which the first is
# whole after each load. Called again with the same $OUT it goes on. --dry-run takes a tiny shape on a CPU.
# shellcheck source=tools/gpu/job.sh disable=SC1091
NAME=latency
MINUTES=${MINUTES:-9}
SELF=$(realpath "${BASH_SOURCE[0]}")
source "$(dirname "$SELF")/job.sh"
set -e
unpack
wanted=(--shape 8b 4b 2b --concurrency 1 8 --max-tokens 100)
if [ "${1:-}" = --dry-run ]; then
  shift
  wanted=(--shape tiny --concurrency 1 2 --max-tokens 5)
fi
draw=()
if "$PYTHON" -c 'import matplotlib' 2>/dev/null; then draw=(--draw "$OUT/latency.svg"); fi
timeout --signal=INT --kill-after=20 "$((60 * MINUTES))" "$PYTHON" -m egm_core bench "${wanted[@]}" "$@" \
  --json "$OUT/latency.json" "${draw[@]}" | tee "$OUT/latency.md"
