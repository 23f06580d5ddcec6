"""The definitions kept here are those of vision_msgs 4.1, field by field: the wire knows nothing else of them."""

from __future__ import annotations

from typing import Any

import pytest
from rclpy.serialization import deserialize_message, serialize_message
from vision_msgs import msg

pytestmark = pytest.mark.ros

FIELDS = {
    "Point2D": {"x": "double", "y": "double"},
    "Pose2D": {"position": "vision_msgs/Point2D", "theta": "double"},
    "BoundingBox2D": {"center": "vision_msgs/Pose2D", "size_x": "double", "size_y": "double"},
    "BoundingBox3D": {"center": "geometry_msgs/Pose", "size": "geometry_msgs/Vector3"},
    "ObjectHypothesis": {"class_id": "string", "score": "double"},
    "ObjectHypothesisWithPose": {
        "hypothesis": "vision_msgs/ObjectHypothesis",
        "pose": "geometry_msgs/PoseWithCovariance",
    },
    "Detection2D": {
        "header": "std_msgs/Header",
        "results": "sequence<vision_msgs/ObjectHypothesisWithPose>",
        "bbox": "vision_msgs/BoundingBox2D",
        "id": "string",
    },
    "Detection3D": {
        "header": "std_msgs/Header",
        "results": "sequence<vision_msgs/ObjectHypothesisWithPose>",
        "bbox": "vision_msgs/BoundingBox3D",
        "id": "string",
    },
    "Detection2DArray": {"header": "std_msgs/Header", "detections": "sequence<vision_msgs/Detection2D>"},
    "Detection3DArray": {"header": "std_msgs/Header", "detections": "sequence<vision_msgs/Detection3D>"},
}


@pytest.mark.parametrize("name", FIELDS)
def test_fields_in_their_order(name: str) -> None:
    fields: dict[str, str] = getattr(msg, name).get_fields_and_field_types()
    assert list(fields.items()) == list(FIELDS[name].items())


@pytest.mark.parametrize("name", ["Detection2DArray", "Detection3DArray"])
def test_what_is_sent_arrives(name: str) -> None:
    kind: Any = getattr(msg, name)
    message = kind()
    message.header.frame_id = "eye"
    detection = (msg.Detection2D if name == "Detection2DArray" else msg.Detection3D)(id="4:0")
    hypothesis = msg.ObjectHypothesisWithPose()
    hypothesis.hypothesis = msg.ObjectHypothesis(class_id="the red mug", score=0.75)
    detection.results = [hypothesis]
    message.detections = [detection, detection]
    assert deserialize_message(serialize_message(message), kind) == message
