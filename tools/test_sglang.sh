#!/usr/bin/env bash
# Has SGLang's own request models read our requests, and our reader its own answers. No GPU is needed.
#
#   tools/test_sglang.sh [PYTEST ARGUMENT ...]
#
# SGLang's requirements are 10 GB of CUDA. Its request models need five small packages, so the wheel is installed without
# its requirements, in an environment of its own, .venv-sglang (0.4 GB, a minute).
#   PYTHON            the Python to build it with (3.11)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv-sglang
stamp=$venv/complete
wanted="openai==2.8.0 pydantic msgspec numpy requests tqdm pybase64 ipython"
alone="sglang==0.5.23"

if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted $alone" ]; then
  printf 'test-sglang: a new environment in .venv-sglang (0.4 GB); this takes a minute\n' >&2
  rm -rf "$venv"
  "${PYTHON:-python3.11}" -m venv "$venv"
  # shellcheck disable=SC2086
  "$venv/bin/python" -m pip --disable-pip-version-check install --quiet $wanted
  "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps "$alone"
  printf '%s' "$wanted $alone" >"$stamp"
fi

export EGM_SGLANG_PYTHON=$venv/bin/python
cd "$root"
exec tools/env.sh python -m pytest tests/parity_sglang -q -rA "$@"
