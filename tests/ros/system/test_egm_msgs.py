"""What egm_msgs defines is what the nodes, the examples and the guide count on, and it travels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("egm_msgs.action", reason="egm_msgs is not built: make setup, or colcon build")

from egm_msgs.action import Ground
from egm_msgs.srv import GroundImage
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2D

pytestmark = pytest.mark.ros

PACKAGE = Path(__file__).resolve().parents[3] / "interfaces" / "egm_msgs"
QUESTION = {
    "instruction": "string",
    "image": "sensor_msgs/Image",
    "max_objects": "uint32",
    "deadline": "double",
    "min_score": "double",
}
ANSWER = {
    "outcome": "string",
    "reason": "string",
    "detail": "string",
    "warnings": "sequence<string>",
    "deadline_missed": "boolean",
    "engine_ms": "double",
    "total_ms": "double",
    "visible": "vision_msgs/Detection2DArray",
    "amodal": "vision_msgs/Detection2DArray",
}


def test_the_action_and_the_service_ask_and_answer_alike() -> None:
    assert Ground.Goal.get_fields_and_field_types() == QUESTION | {"camera": "string", "client": "string"}
    assert GroundImage.Request.get_fields_and_field_types() == QUESTION
    assert Ground.Result.get_fields_and_field_types() == GroundImage.Response.get_fields_and_field_types() == ANSWER
    assert Ground.Feedback.get_fields_and_field_types() == {
        "state": "string",
        "first": "vision_msgs/Detection2DArray",
    }


def test_the_words_are_constants() -> None:
    for kind in (Ground.Result, GroundImage.Response):
        assert (kind.FOUND, kind.ABSENT, kind.ERROR) == ("found", "absent", "error")
    states = (Ground.Feedback.WAITING, Ground.Feedback.ASKING, Ground.Feedback.FIRST_BOX)
    assert states == ("waiting", "asking", "first_box")


def test_what_is_sent_arrives() -> None:
    goal = Ground.Goal(instruction="the red mug", max_objects=3, deadline=0.5, min_score=0.25, client="tree")
    goal.image = Image(height=1, width=2, encoding="rgb8", step=6, data=bytes(range(6)))
    assert deserialize_message(serialize_message(goal), Ground.Goal) == goal
    result = Ground.Result(outcome=Ground.Result.FOUND, warnings=["out_of_domain: ..."], engine_ms=3.5)
    result.amodal.detections = [Detection2D(id="0:0")]
    assert deserialize_message(serialize_message(result), Ground.Result) == result


def test_the_build_takes_every_definition() -> None:
    listed = set(re.findall(r"(?:msg|srv|action)/\w+\.\w+", (PACKAGE / "CMakeLists.txt").read_text()))
    assert listed == {
        str(path.relative_to(PACKAGE)) for kind in ("msg", "srv", "action") for path in PACKAGE.glob(f"{kind}/*")
    }
