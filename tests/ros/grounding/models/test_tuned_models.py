"""A model folder that fine-tuning has written, through the node."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
pytest.importorskip("trl", reason="no TRL to tune a model with")

from checkpoints import AMODAL_BOX, FOUND, TRACES, VISIBLE_BOX
from domains import UNCLAIMED
from robot import Robot, image_message
from running import start_node

from egm_core.sample import Sample, write_samples
from egm_core.train.sft.config import SFTStageConfig
from egm_core.train.sft.stage import sft

pytestmark = [pytest.mark.ros, pytest.mark.slow]

DOMAIN = UNCLAIMED
SCALE = np.array([128, 96, 128, 96]) / 1000.0


def test_what_sft_leaves_grounds_through_the_node(memorising_qwen: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    visible, amodal = (tuple(np.array(box) * SCALE) for box in (VISIBLE_BOX, AMODAL_BOX))
    samples = []
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"{i}.png"), rng.integers(0, 256, (96, 128, 3), np.uint8))
        samples.append(Sample(str(tmp_path / f"{i}.png"), FOUND, visible, amodal, 0.8, 96, 128,
                              TRACES[FOUND, "visible"], amodal_reasoning=TRACES[FOUND, "amodal"]))  # fmt: skip
    write_samples(tmp_path / "samples.jsonl", samples)
    final = sft(SFTStageConfig(model=str(memorising_qwen), data=[str(tmp_path / "samples.jsonl")], name="tuned",
                               output=str(tmp_path / "run"), learning_rate=1e-4, batch=4, report_to=[],
                               lora_rank=4))  # fmt: skip
    node = start_node(DOMAIN, model=str(final), max_rate=0.0, default_instruction=FOUND, query_timeout=60.0,
                      max_result_age=60.0)  # fmt: skip
    robot = Robot(DOMAIN)
    try:
        robot.ready(90.0)
        image = robot.show(image_message(128, 96))
        assert robot.status(60.0, image, outcome="found")["reason"] != "engine_failed"
        (detection,) = robot.boxes(image)[0].detections
        centre = detection.bbox.center.position
        assert [centre.x, centre.y] == pytest.approx([300 * 0.128, 450 * 0.096], abs=0.6)
    finally:
        robot.close()
        assert node.stop() == 0, node.output
    assert "Traceback" not in node.output
