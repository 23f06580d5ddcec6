#!/usr/bin/env bash
# Milliseconds a token of Qwen3-VL 2B, 4B and 8B at random weights on this machine's GPU, against the least that its memory
# allows, which is measured in the same run. Needs PyTorch and transformers, no checkpoint and no scene.
#
#   tools/gpu/latency.sh [--dry-run] [--sizes 2b 4b 8b]
#
# One call of some minutes; $OUT gets latency.json and latency.md. --dry-run takes small shapes on a CPU.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT"
PYTHON=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1
mkdir -p "${OUT:=out/gpu}"
exec "$PYTHON" tools/gpu/latency.py --out "$OUT" "$@"
