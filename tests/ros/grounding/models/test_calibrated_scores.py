"""What the node publishes as a score: the engine's own, until the model's folder has a calibration for that engine."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from processes import wait_for
from robot import Robot
from running import ScriptedEngine, folder_of, start_node

from egm_core.models.calibration import Curve, Measured, save

pytestmark = pytest.mark.ros

RAW = math.exp(-0.1)


def test_scores_become_probabilities_with_a_calibration_and_the_log_says_where_there_is_none(
    domain: int, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "model", "visible", "amodal")
    engine = ScriptedEngine(domain)
    engine.script(logprob=-0.1)
    node = start_node(domain, model=str(folder), engine_url=engine.url, max_rate=0.0, default_instruction="the mug")
    robot = Robot(domain)
    try:
        robot.ready(60.0)
        robot.meet()
        status = robot.status(60.0, outcome="found")
        assert [float(status[name]) for name in ("score", "raw_score")] == pytest.approx([RAW, RAW], abs=1e-3)
        assert status["calibrated"] == ""
        wait_for("the note", lambda: "scores are the engine's own" in node.output)
        assert f"{folder / 'calibration.json'} is not there" in node.output

        save(folder, "openai", Measured({"visible": Curve((0.0, 1.0), (0.0, 0.5))}, 400_000_000, 1))
        status = robot.status(60.0, image := robot.show(), outcome="found", calibrated="visible")
        assert float(status["score"]) == pytest.approx(RAW / 2, abs=1e-3)
        unchanged = [float(status[name]) for name in ("amodal_score", "raw_amodal_score")]
        assert unchanged == pytest.approx([RAW, RAW], abs=1e-3)
        visible, amodal = robot.boxes(image)
        assert visible.detections[0].results[0].hypothesis.score == pytest.approx(RAW / 2, abs=1e-6)
        assert amodal.detections[0].results[0].hypothesis.score == pytest.approx(RAW, abs=1e-6)

        assert robot.set(min_score=0.6).successful
        status = robot.status(60.0, robot.show(), outcome="absent", reason="low_score")
        assert (status["level"], "raw" in status["message"]) == (0, False)
        assert "0.452" in status["message"]
        assert node.output.count("scores are the engine's own") == 1
    finally:
        robot.close()
        assert node.stop() == 0, node.output
        engine.stop()
    assert "Traceback" not in node.output
