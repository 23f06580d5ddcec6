#!/usr/bin/env bash
# Runs TensorRT Edge-LLM's own server around a scripted model, and asks it as a robot's node does. No GPU is needed.
#
#   tools/test_edgellm.sh [PYTEST ARGUMENT ...]
#
# Its requirements exclude this project's, so it gets an environment of its own, .venv-edgellm (0.7 GB, a minute). The
# wheel is installed without its requirement of CUDA: the native runtime is what is scripted.
#   PYTHON            the Python to build it with (3.11)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv-edgellm
stamp=$venv/complete
# The server's own pins, as its metadata gives them.
wanted="fastapi==0.139.2 uvicorn==0.51.0 numpy==2.2.6 python-multipart==0.0.32"
alone="tensorrt-edgellm==0.11.0"

if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted $alone" ]; then
  printf 'test-edgellm: a new environment in .venv-edgellm (0.7 GB); this takes a minute\n' >&2
  rm -rf "$venv"
  "${PYTHON:-python3.11}" -m venv "$venv"
  # shellcheck disable=SC2086
  "$venv/bin/python" -m pip --disable-pip-version-check install --quiet $wanted
  "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps "$alone"
  printf '%s' "$wanted $alone" >"$stamp"
fi

export EGM_EDGELLM_PYTHON=$venv/bin/python
cd "$root"
exec tools/env.sh python -m pytest tests/parity_edgellm -q -rA "$@"
