"""The example of an engine of one's own: it keeps the interface's promises, and the grounder works with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A red patch, and a smaller one of the same colour."""
    image = np.full((120, 160, 3), 128, np.uint8)
    image[40:80, 20:70] = (30, 30, 220)
    image[10:20, 120:130] = (30, 30, 220)
    cv2.imwrite(str(tmp_path / "picture.png"), image)
    return tmp_path / "picture.png"


def run(picture: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it where there is no PyTorch."""
    program = (
        "import sys, runpy\n"
        "for name in ('torch', 'transformers'): sys.modules[name] = None\n"
        f"sys.argv = ['own_engine.py', {str(picture)!r}, *{words!r}]\n"
        "runpy.run_path('examples/own_engine.py', run_name='__main__')\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


def test_it_boxes_the_colour_that_was_asked_for(picture: Path) -> None:
    said = run(picture, "the", "red", "mug")
    assert said.returncode == 0, said.stderr
    outcome, rest = said.stdout.split(" ", 1)
    box = [float(edge) for edge in rest[rest.index("(") + 1 : rest.index(")")].split(",")]
    assert outcome == "found"
    assert np.allclose(box, (20, 40, 70, 80), atol=0.2)


@pytest.mark.parametrize("words", ["the blue mug", "the mug"])
def test_it_says_that_nothing_fits(picture: Path, words: str) -> None:
    said = run(picture, *words.split())
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("absent None")


def test_it_keeps_the_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    from own_engine import ColourEngine

    from egm_core.engines import Request, collect

    image = np.zeros((32, 32, 3), np.uint8)
    engine = ColourEngine()
    with engine:
        assert engine.wait_ready(1.0).model == "colours"
        engine.abort("unknown")
        engine.abort("1")
        assert collect(engine.generate(Request("1", image, "the red one"))).finish == "abort"
        assert collect(engine.generate(Request("1", image, "the red one"))).finish == "stop"
    engine.close()
    assert engine.health().state == "closed"
