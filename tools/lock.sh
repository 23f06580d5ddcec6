#!/usr/bin/env bash
# Writes requirements/lock.txt: a version for everything that base.txt, dev.txt and ros.txt pull in, for Python 3.11 to
# 3.13. Needs uv (pip install uv). What is locked stays, unless a pin makes it move.
#
#   tools/lock.sh [--upgrade | --upgrade-package NAME]
#
# Both pip and uv read the file, as constraints. torch is left out, for its builds differ by index.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../requirements"
UV=${UV:-uv}
command -v "$UV" >/dev/null || { echo "lock: uv is missing: pip install uv, or set UV=/path/to/uv" >&2; exit 1; }

# Without this, the default index's torch would lock a dozen packages of CUDA that a CPU build never asks for.
settings=$(mktemp --suffix .toml)
trap 'rm -f "$settings"' EXIT
cat >"$settings" <<T
[[dependency-metadata]]
name = "torch"
version = "$(sed -n 's/^torch==//p' torch.txt)"
requires-dist = ["filelock", "fsspec>=0.8.5", "jinja2", "networkx>=2.5.1", "setuptools", "sympy>=1.13.3", "typing-extensions>=4.10.0"]
T
"$UV" --quiet --config-file "$settings" pip compile --universal --python-version 3.11 --no-annotate \
  --custom-compile-command "tools/lock.sh" --no-emit-package torch "$@" \
  base.txt dev.txt ros.txt torch.txt --output-file lock.txt >/dev/null
