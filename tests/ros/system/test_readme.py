"""The README's example in 3D, typed as it stands there, finds what it asks for."""

from __future__ import annotations

import os
import re
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
    section = (ROOT / "README.md").read_text().split("## In 3D", 1)[1]
    lines = re.search(r"^```\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert lines is not None and "egm_ros.lifting" in lines.group(1)
    boxes = bench.collect(Detection3DArray, "/lifting/visible")
    with open(bench.folder / "example.log", "wb") as log:
        shell = subprocess.Popen(["bash", "-c", lines.group(1)], cwd=ROOT, stdout=log, stderr=log,
                                 start_new_session=True)
    try:
        bench.until(lambda: sum(1 for message in boxes if message.detections) >= 3, 120)
    finally:
        os.killpg(shell.pid, signal.SIGINT)
        shell.wait(30)
        bench.spin(2.0)
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
