#!/usr/bin/env bash
# Gather what a machine with a GPU but no network lacks: Python packages in .whl/, OpenGL's loader in .gl/ (both ignored
# by git). Run it here, where there is a network, and carry both folders along with the tree.
#
#   tools/gpu/wheels.sh            for CPython 3.12 on x86-64; PYTHON_VERSION=3.11 for another
#
# It refuses what would be too large to carry: LIMIT_MIB=64, the tree's own files counted in.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# What training needs beside a usual installation of PyTorch and transformers. Their own needs are named too, for
# nothing is resolved: whatever that machine has stays as it is.
PACKAGES="mujoco mujoco_core glfw PyOpenGL trl datasets dill multiprocess omegaconf llguidance"
version=${PYTHON_VERSION:-3.12}
platforms=()
for tag in 2_39 2_38 2_35 2_34 2_31 2_28 2_27 2_24 2_17; do platforms+=(--platform "manylinux_${tag}_x86_64"); done
platforms+=(--platform manylinux2014_x86_64 --platform manylinux1_x86_64 --platform any)

pinned() {
  python3 - "$1" <<'P'
import re, sys
from pathlib import Path
name = re.sub("[-_.]+", "-", sys.argv[1]).lower()
for file in ("base.txt", "lock.txt"):
    for line in Path("requirements", file).read_text().splitlines():
        found = re.match(r"([\w.-]+)==([^\s;]+)", line)
        if found and re.sub("[-_.]+", "-", found[1]).lower() == name:
            print(f"{found[1]}=={found[2]}")
            sys.exit()
sys.exit(f"requirements/ pins no {sys.argv[1]}")
P
}

rm -rf .whl
mkdir -p .whl
for package in $PACKAGES; do
  wanted=$(pinned "$package")
  "${PIP_PYTHON:-python3}" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --python-version "$version" --implementation cp "${platforms[@]}" --dest .whl "$wanted"
done
# Without these nothing is drawn on a machine that has the GPU's driver but not the loader; there is no harm in more.
if command -v apt-get >/dev/null; then
  mkdir -p .gl
  (cd .gl && apt-get download -qq libegl1 libglvnd0 libopengl0 libgl1 libglx0 libgles2 2>/dev/null) ||
    echo "apt-get gave no OpenGL loader; the machine needs libegl1 of its own" >&2
fi
tree=$(git ls-files -z | xargs -0 du -ck | tail -1 | cut -f1)
carried=$(du -ck .whl $( [ -d .gl ] && echo .gl ) | tail -1 | cut -f1)
total=$(((tree + carried) / 1024))
echo "$(find .whl -type f -name '*.whl' | wc -l) wheels; with the tree $total MiB to carry"
if [ "$total" -gt "${LIMIT_MIB:-64}" ]; then
  echo "that is more than ${LIMIT_MIB:-64} MiB; carry rendered scenes instead (SCENES=FOLDER tools/gpu/train.sh start)" >&2
  exit 1
fi
