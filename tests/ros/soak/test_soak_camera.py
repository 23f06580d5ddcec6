"""The node under a fast camera and a slow engine for minutes: memory flat, answers young, services quick.

    make soak-camera           # twice ten minutes; SOAK_MINUTES=0.5 make soak-camera tries it

Camera and node share config/fastdds_shm.xml: without it 13 of 60 images a second arrive at 720p already, and a load
that does not arrive is none.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from domains import UNCLAIMED
from processes import wait_for
from robot import Robot
from running import COMMAND, Process, folder_of, request, scripted, start_node

from egm_ros.common.memory import resident

SECONDS = 60.0 * float(os.environ.get("SOAK_MINUTES", "10"))
WARM_UP = min(60.0, SECONDS / 2.0)
PERIOD = 0.2
FEWEST = 40.0
DOMAIN = UNCLAIMED
CAMERA = Path(__file__).parents[1] / "fast_camera.py"
PROFILE = Path(__file__).resolve().parents[3] / "config" / "fastdds_shm.xml"
ROOM = {"FASTRTPS_DEFAULT_PROFILES_FILE": str(PROFILE), "FASTDDS_DEFAULT_PROFILES_FILE": str(PROFILE)}

pytestmark = [pytest.mark.ros, pytest.mark.soak, pytest.mark.timeout(SECONDS + 180.0)]


@pytest.mark.parametrize(
    ("width", "height", "slowest_ms"), [(1280, 720, 50.0), (1920, 1080, 150.0)], ids=["720p", "1080p"]
)
def test_memory_stays_flat_and_answers_young(width, height, slowest_ms, tmp_path):
    model = folder_of(tmp_path / "scripted-qwen", "visible", "amodal")
    node = start_node(
        DOMAIN, model=str(model), engine_command=COMMAND, max_rate=0.0, default_instruction="the mug", environment=ROOM
    )
    camera = Process([sys.executable, str(CAMERA), "--width", str(width), "--height", str(height)], DOMAIN, **ROOM)
    robot = Robot(DOMAIN)
    try:
        robot.status(engine="ready")
        (engine,) = scripted(node.pid)
        words = Path(f"/proc/{engine}/cmdline").read_text().split("\0")
        request(f"http://127.0.0.1:{words[words.index('--port') + 1]}/script", {"delay": 1.0})
        robot.status(outcome="found")
        _wait(robot, WARM_UP)
        memory, calls = [], []
        begun, before = time.monotonic(), _counts(robot)
        while time.monotonic() < begun + SECONDS - WARM_UP:
            asked = time.monotonic()
            assert robot.enable(True).success
            calls.append(1000.0 * (time.monotonic() - asked))
            memory.append(resident(node.pid) / 1e6)
            robot.keep_statuses(2000)
            time.sleep(max(0.0, asked + PERIOD - time.monotonic()))
        lasted = time.monotonic() - begun
        found = [values for values in robot.values() if values["outcome"] == "found"]
        ages = [float(values["age_ms"]) for values in found]
        rate = (_counts(robot) - before) / lasted
    finally:
        camera.stop()
        robot.close()
        assert node.stop() == 0, node.output
    assert "Traceback" not in node.output
    others = [line for line in node.lines if "engine_" in line]
    first = statistics.median(memory[: max(5, len(memory) // 20)])
    low, high = (100.0 * (value / first - 1.0) for value in np.percentile(memory, (1, 99)))
    slow, slowest = np.percentile(calls, 99), max(calls)
    print(
        f"\n{width}x{height}, {lasted:.0f} s after {WARM_UP:.0f} s: {rate:.1f} images/s received,"
        f" memory {first:.1f} MB {low:+.2f} to {high:+.2f} %, {len(ages)} answers aged {statistics.median(ages):.0f}"
        f" ms (99 %: {np.percentile(ages, 99):.0f}, at most {max(ages):.0f}), ~/enable 99 %: {slow:.1f} ms"
        f" (median {statistics.median(calls):.1f}, at most {slowest:.1f}, {len(calls)} calls)"
    )
    assert not others, others
    assert -5.0 < low <= high < 5.0
    assert len(found) > 0.5 * min(lasted, 1000.0)
    assert np.percentile(ages, 99) < 1500.0
    assert max(ages) < 3000.0
    assert slow < slowest_ms
    assert rate >= FEWEST


def _counts(robot: Robot) -> int:
    """Give how many images the node has received, by its newest status."""
    return int(wait_for("a status", robot.values)[-1]["received"])


def _wait(robot: Robot, seconds: float) -> None:
    """Let the time pass, and forget what was said meanwhile but for the last of it."""
    time.sleep(seconds)
    robot.keep_statuses(1)
