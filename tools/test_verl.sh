#!/usr/bin/env bash
# Composes, validates and feeds our reinforcement learning settings with verl's own code, on a CPU.
#
#   tools/test_verl.sh [TEST FILE OR PYTEST OPTION ...]
#
# verl pins packages that this project's environment has in other versions, so it gets its own, .venv-verl
# (2 GB, some minutes the first time). verl itself trains on GPUs only: what runs here is everything before that,
# its configuration, its data set, its reward loading, and its loss.
#   PYTHON            the Python to build it with (3.11)
#   TORCH_INDEX_URL   an index of CPU builds of torch, where the default index has none
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv-verl
stamp=$venv/complete
pin() { grep -h "^$1==" "$root"/requirements/*.txt | head -n 1; }
first="torch==2.13.0"
wanted="verl==0.9.1 transformers==5.10.4 qwen-vl-utils==0.0.14 $(pin opencv-python-headless) $(pin uvicorn) $(pin fastapi)"
wanted="$wanted $(pin pytest) $(pin pytest-timeout) $(pin hypothesis)"
vision="torchvision==0.28.0"

# One at a time: two at once would take each other's environment apart.
exec 9<"$root"
flock 9
if [ "$(cat "$stamp" 2>/dev/null)" != "$first $wanted $vision" ]; then
  printf 'test-verl: a new environment in .venv-verl (2 GB); this takes some minutes\n' >&2
  rm -rf "$venv"
  "${PYTHON:-python3.11}" -m venv "$venv"
  pip=("$venv/bin/python" -m pip --disable-pip-version-check)
  index=()
  [ -z "${TORCH_INDEX_URL:-}" ] || index=(--index-url "$TORCH_INDEX_URL")
  "${pip[@]}" install --quiet "${index[@]}" $first
  "${pip[@]}" install --quiet $first $wanted
  "${pip[@]}" install --quiet --no-deps $vision
  printf '%s' "$first $wanted $vision" >"$stamp"
fi
exec 9<&-

cd "$root"
# The registry's torchvision is a CUDA build; tests/parity_vllm/site makes it importable, in the processes of verl and Ray too.
export PYTHONPATH="$root/tests/parity_vllm/site:$root${PYTHONPATH:+:$PYTHONPATH}" PATH="$venv/bin:$PATH" HF_HUB_OFFLINE=1
[ "$#" -gt 0 ] || set -- tests/parity_verl
exec python -m pytest -q -s -rA -p no:cacheprovider --timeout 3600 "$@"
