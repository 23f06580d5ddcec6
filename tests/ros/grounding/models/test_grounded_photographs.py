"""Real photographs from the camera to the overlay: they ground, with a warning that the model does not know them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from egm_ros.common.messages import stamp_text
from egm_ros.common.pictures import images

pytestmark = [pytest.mark.ros, pytest.mark.slow]

LATCHED = QoSProfile(depth=20, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


def test_photographs_are_answered_with_a_warning(bench: Any, photographs: Path) -> None:
    shown = bench.collect(Image, "overlay/image")
    statuses = bench.collect(DiagnosticStatus, "grounding/status", LATCHED)
    source = ("-p", "source:=folder", "-p", f"path:={photographs / 'driving' / 'images'}", "-p", "rate:=2.0")
    bench.start("egm_ros.camera", "--ros-args", *source)
    asked = ("-p", "default_instruction:=the car", "-p", "max_rate:=0.0", "-p", "query_timeout:=30.0")
    bench.start("egm_ros.grounding", "--ros-args", *asked, "-p", "max_result_age:=30.0")
    bench.start("egm_ros.overlay", "--ros-args", "-p", "show:=answered", "-p", "buffer:=30.0")

    def told() -> list[dict[str, str]]:
        values = [{entry.key: entry.value for entry in status.values} for status in statuses]
        return [value for value in values if value.get("outcome")]

    def answers() -> list[dict[str, str]]:
        return [value for value in told() if value["outcome"] in ("found", "absent")]

    bench.until(lambda: len(answers()) >= 2 and shown, 180)
    assert all("unlike" in answer["warnings"] and not answer["calibrated"] for answer in answers())
    # Until the engine is ready, every image says that it is starting; on a busy machine the camera may fall silent.
    failed = [
        value
        for value in told()
        if value["outcome"] == "error" and value["engine"] == "ready" and value["reason"] != "no_image"
    ]
    assert not failed, str(failed)
    assert images.decode(shown[0]).shape[1] > 500


def test_answers_on_photographs_are_taken_back_on_wish(bench: Any, photographs: Path) -> None:
    boxes = bench.collect(Detection2DArray, "grounding/visible")
    statuses = bench.collect(DiagnosticStatus, "grounding/status", LATCHED)
    source = ("-p", "source:=folder", "-p", f"path:={photographs / 'driving' / 'images'}", "-p", "rate:=2.0")
    bench.start("egm_ros.camera", "--ros-args", *source)
    asked = ("-p", "default_instruction:=the giraffe", "-p", "out_of_domain:=absent", "-p", "query_timeout:=30.0")
    bench.start("egm_ros.grounding", "--ros-args", *asked, "-p", "max_result_age:=30.0")

    def taken_back() -> dict[str, DiagnosticStatus]:
        """The statuses of answers that were taken back, by their stamps."""
        values = [({entry.key: entry.value for entry in status.values}, status) for status in statuses]
        return {value["stamp"]: status for value, status in values if value.get("reason") == "out_of_domain"}

    bench.until(lambda: [array for array in boxes if stamp_text(array.header) in taken_back()], 180)
    assert all("unknown_words: giraffe" in status.message for status in taken_back().values())
    assert not any(array.detections for array in boxes)
