"""The notebook's cells, run from top to bottom as Jupyter would run them.

Without Jupyter: its kernel would bring twenty packages into everybody's environment for this one test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mujoco", reason="no MuJoCo to render scenes")
pytest.importorskip("torch", reason="no PyTorch to answer with")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples" / "ground.ipynb"
# What the notebook takes from Jupyter itself: it shows pictures.
JUPYTER = """
import sys, types
shown = []
module = types.ModuleType("IPython.display")
module.display = shown.append
sys.modules["IPython"], sys.modules["IPython.display"] = types.ModuleType("IPython"), module
"""


@pytest.mark.slow
@pytest.mark.timeout(540)
def test_the_notebook_grounds_draws_and_evaluates(tmp_path: Path) -> None:
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    code = [JUPYTER, *("".join(cell["source"]) for cell in cells)]
    program = tmp_path / "cells.py"
    program.write_text("\n".join([*code, "print('pictures', [picture.size for picture in shown])\n"]))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    result = subprocess.run(
        [sys.executable, program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(": found, visible (") >= 2, result.stdout
    assert "visible Acc@0.5" in result.stdout
    assert result.stdout.rstrip().splitlines()[-1].count("(") == 4, "the scene, and three answers"


def test_the_notebook_holds_no_outputs() -> None:
    """They would change with each run, and make every difference unreadable."""
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
