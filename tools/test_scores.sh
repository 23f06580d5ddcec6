#!/usr/bin/env bash
# Scores 5,000 answers by our rules, by lmms-eval's own code and by VLMEvalKit's rules; a rule explains each difference.
#
#   tools/test_scores.sh [PYTEST ARGUMENT ...]
#
# lmms-eval does not install beside this project's pins. Its scorers for RefCOCO need only `datasets` and `loguru`, so
# it is installed without its other requirements, in an environment of its own, .venv-scores (0.5 GB, about a minute).
#   PYTHON            the Python to build it with (3.11)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv-scores
stamp=$venv/complete
pin() { grep -h "^$1==" "$root"/requirements/*.txt | head -n 1; }
wanted="$(pin numpy) $(pin opencv-python-headless) $(pin datasets) loguru==0.7.3 $(pin pytest) $(pin pytest-timeout)"
wanted="$wanted $(pin hypothesis)"
alone="lmms-eval==0.7.3"

if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted $alone" ]; then
  printf 'test-scores: a new environment in .venv-scores (0.5 GB); this takes some minutes\n' >&2
  rm -rf "$venv"
  "${PYTHON:-python3.11}" -m venv "$venv"
  # shellcheck disable=SC2086
  "$venv/bin/python" -m pip --disable-pip-version-check install --quiet $wanted
  "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps "$alone"
  printf '%s' "$wanted $alone" >"$stamp"
fi

cd "$root"
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1
exec "$venv/bin/python" -m pytest tests/scores -q -s -rA "$@"
