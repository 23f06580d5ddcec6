#!/usr/bin/env bash
# Writes the reference pages from the code, and builds docs/ into out/docs, with warnings as errors.
#
#   tools/docs.sh [SPHINX ARGUMENT ...]
#
# Sphinx gets an environment of its own, .venv-docs, which also sees the packages of .venv: autodoc imports the code.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv-docs
stamp=$venv/complete
requirements=$root/requirements/docs.txt
# Sphinx runs under the Python of .venv, or the packages there would not fit.
wanted="$("$root/.venv/bin/python" --version) $(sha256sum <"$requirements")"

if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  printf 'docs: a new environment in .venv-docs; this takes half a minute\n' >&2
  rm -rf "$venv"
  "$root/.venv/bin/python" -m venv "$venv"
  site='import sysconfig; print(sysconfig.get_path("purelib"))'
  "$root/.venv/bin/python" -c "$site" >"$("$venv/bin/python" -c "$site")/checkout.pth"
  # pip leaves alone what lies outside of this environment, and puts what differs in front of it.
  "$venv/bin/python" -m pip --disable-pip-version-check install --quiet -r "$requirements"
  printf '%s' "$wanted" >"$stamp"
fi

cd "$root"
tools/env.sh python -m egm_ros.reference docs/reference
exec tools/env.sh "$venv/bin/python" -m sphinx -W --keep-going -q -b html docs out/docs "$@"
