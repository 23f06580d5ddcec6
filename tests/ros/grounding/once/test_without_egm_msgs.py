"""A node without egm_msgs says so once, and serves everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from domains import UNCLAIMED
from robot import Robot
from running import start_node

pytestmark = pytest.mark.ros

DOMAIN = UNCLAIMED


def test_it_says_so_once_and_serves_everything_else(engine, tmp_path):
    """A package of that name that cannot be imported hides the one that is there."""
    (tmp_path / "egm_msgs").mkdir()
    (tmp_path / "egm_msgs" / "__init__.py").write_text("raise ModuleNotFoundError('hidden', name='egm_msgs')\n")
    python_path = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[4]}"}
    node = start_node(
        DOMAIN,
        model="scripted-qwen",
        engine_url=engine.url,
        default_instruction="the mug",
        environment=python_path,
    )
    robot = Robot(DOMAIN)
    try:
        robot.ready()
        robot.boxes(robot.show())
        assert robot.ground_once()[0]
        names = {name for name, _ in robot.node.get_service_names_and_types()}
        assert not {name for name in names if "/ground_image" in name or "_action" in name}
    finally:
        robot.close()
        assert node.stop() == 0, node.output
    (line,) = [line for line in node.lines if "egm_msgs" in line]
    for part in ("~/ground and ~/ground_image are not offered", "--packages-select egm_msgs", "make setup"):
        assert part in line
