"""The example that a robot's own code starts from."""

from __future__ import annotations

from typing import Any

import pytest
from builtin_interfaces.msg import Time
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2DArray

from egm_ros.common.messages import detection

pytestmark = pytest.mark.ros


def test_it_asks_and_prints_both_boxes_of_an_object(bench: Any) -> None:
    instructions = bench.collect(String, "instruction")
    visible = bench.node.create_publisher(Detection2DArray, "grounding/visible", 5)
    amodal = bench.node.create_publisher(Detection2DArray, "grounding/amodal", 5)
    process = bench.start("examples.subscriber", "the", "red", "mug")
    bench.until(lambda: instructions and visible.get_subscription_count() and amodal.get_subscription_count())
    assert instructions[0].data == "the red mug"

    def boxes(tenth: int, *box: tuple[float, float, float, float]) -> Detection2DArray:
        header = Header(stamp=Time(sec=1, nanosec=tenth * 10**8))
        found = [detection(header, f"{tenth}:0", edges, "the red mug", 0.5) for edges in box]
        return Detection2DArray(header=header, detections=found)

    small, whole = (10.0, 20.0, 30.0, 40.0), (10.0, 20.0, 50.0, 40.0)
    words = "'the red mug' score 0.50: visible (10, 20, 30, 40), whole (10, 20, 50, 40)\n"
    visible.publish(boxes(1, small))
    amodal.publish(boxes(1, whole))
    bench.until(lambda: f"1:0 {words}" in bench.output())
    # Of the second answer the second topic's array is the first to come: it has come once the third answer is there.
    amodal.publish(boxes(2))
    amodal.publish(boxes(3, whole))
    visible.publish(boxes(3, small))
    bench.until(lambda: f"3:0 {words}" in bench.output())
    assert "nothing fits" not in bench.output()
    visible.publish(boxes(2))
    bench.until(lambda: "nothing fits" in bench.output())
    assert process.poll() is None
