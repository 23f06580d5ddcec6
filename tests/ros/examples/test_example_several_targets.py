"""The example that follows several targets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2DArray

from egm_ros.common.messages import detection

pytestmark = pytest.mark.ros


def test_it_lets_go_of_a_box_only_where_its_target_is_absent(bench: Any) -> None:
    instructions = bench.collect(String, "instruction")
    visible = bench.node.create_publisher(Detection2DArray, "grounding/visible", 5)
    status = bench.node.create_publisher(DiagnosticStatus, "grounding/status", 5)
    bench.start("examples.several_targets", "the mug", "the blue box")
    bench.until(lambda: instructions and visible.get_subscription_count() and status.get_subscription_count())
    assert instructions[0].data == "the mug\nthe blue box"

    def tell(mug: str, box: str) -> None:
        entries = [
            {"seq": 1, "instruction": "the mug", "state": mug},
            {"seq": 2, "instruction": "the blue box", "state": box},
        ]
        status.publish(DiagnosticStatus(values=[KeyValue(key="targets", value=json.dumps(entries))]))

    def said(line: str) -> None:
        bench.until(lambda: line in bench.output())

    found = [detection(Header(), "1:0", (10.0, 20.0, 30.0, 40.0), "the mug", 0.5)]
    visible.publish(Detection2DArray(detections=found))
    status.publish(DiagnosticStatus(message="the engine is ready"))
    bench.spin(0.5)
    tell("found", "not_asked")
    said("1 'the mug': found, visible box around (20, 30)\n2 'the blue box': not_asked, no box\n")
    visible.publish(Detection2DArray())
    tell("stale", "absent")
    said("1 'the mug': stale, visible box around (20, 30)\n2 'the blue box': absent, no box\n")
    tell("absent", "error")
    said("1 'the mug': absent, no box\n2 'the blue box': error, no box\n")
