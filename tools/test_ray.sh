#!/usr/bin/env bash
# Scores 20,000 samples, and asks 1,500 questions of curation, on Ray Data over two local servers, each with a kill -9 in the
# middle.
#
#   tools/test_ray.sh [PYTEST ARGUMENT ...]
#
# Ray is no part of this project's environment, and scoring through servers needs neither torch nor transformers,
# so its test gets an environment of its own, .venv-ray (0.9 GB, about two minutes the first time).
#   PYTHON            the Python to build it with (3.11)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv-ray
stamp=$venv/complete
pin() { grep -h "^$1==" "$root"/requirements/*.txt | head -n 1; }
wanted="ray[data]==2.60.0 $(pin numpy) $(pin opencv-python-headless) $(pin httpx) $(pin PyYAML) $(pin omegaconf)"
wanted="$wanted $(pin msgspec) $(pin pydantic) $(pin jinja2) $(pin tqdm) $(pin matplotlib) $(pin pyarrow) $(pin pytest) $(pin pytest-timeout) $(pin hypothesis)"

if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  printf 'test-ray: a new environment in .venv-ray (0.9 GB); this takes some minutes\n' >&2
  rm -rf "$venv"
  "${PYTHON:-python3.11}" -m venv "$venv"
  # shellcheck disable=SC2086
  "$venv/bin/python" -m pip --disable-pip-version-check install --quiet $wanted
  printf '%s' "$wanted" >"$stamp"
fi

cd "$root"
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1
exec "$venv/bin/python" -m pytest tests/ray_data -q -s -rA "$@"
