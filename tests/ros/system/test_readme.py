"""The guide's example in 3D, typed as it stands there, finds what it asks for."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
pytest.importorskip("mujoco", reason="no MuJoCo to render the scene")

from vision_msgs.msg import Detection3DArray

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.ros, pytest.mark.slow]


def test_the_example_in_3d_lifts_boxes(bench: Any) -> None:
    lines = (ROOT / "examples" / "shell" / "lift.sh").read_text()
    assert "examples/shell/lift.sh" in (ROOT / "docs" / "guides" / "depth.md").read_text()
    boxes = bench.collect(Detection3DArray, "/lifting/visible")
    with open(bench.folder / "example.log", "wb") as log:
        shell = subprocess.Popen(["bash", "-c", lines], cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    try:
        bench.until(lambda: sum(1 for message in boxes if message.detections) >= 3, 120)
    finally:
        os.killpg(shell.pid, signal.SIGINT)
        shell.wait(30)
        bench.spin(2.0)
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
    assert "3D boxes are published; range " in (bench.folder / "example.log").read_text()
