"""Runs `egm` as its users do: a process of its own, in the checkout or elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PICTURE = str(ROOT / "egm_ros/clips/tabletop/000.jpg")
# A sitecustomize of these lines makes a Python that lacks the named modules, however it is installed.
BLOCK = """
import sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Lacking())
import importlib.util
_find = importlib.util.find_spec
importlib.util.find_spec = lambda name, at=None: None if name.partition(".")[0] in {names!r} else _find(name, at)
"""


def egm(
    *words: str, module: str = "egm_core", timeout: float = 170, cwd: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `egm` (or another module) to its end."""
    environment = {**os.environ, "COLUMNS": "110", **variables}
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)


def without(folder: Path, *names: str) -> dict[str, str]:
    """Give the variables of a Python that lacks some modules; they are written into an empty folder."""
    (folder / "sitecustomize.py").write_text(BLOCK.format(names=set(names)))
    return {"PYTHONPATH": f"{folder}:{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
