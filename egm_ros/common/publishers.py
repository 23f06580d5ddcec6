"""Says why nothing comes on a topic: nobody publishes there, or what is published is of another type or quality."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

from egm_ros.common.streams.stamps import clock_missing

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
# What to do where an image of the other kind comes.
_OTHER_TRANSPORT = {(COMPRESSED, IMAGE): "set transport:=compressed", (IMAGE, COMPRESSED): "set transport:=raw"}
_NAMED = 3


def type_name(kind: Any) -> str:
    """Give a message class's name as ROS writes it, such as sensor_msgs/msg/Image."""
    package, group = kind.__module__.split(".")[:2]
    return f"{package}/{group}/{kind.__name__}"


def obstacle(node: Node, topic: str, kind: Any, wanted: QoSProfile) -> str:
    """Say why messages on a topic (its resolved name) cannot reach a subscription of this type and quality.

    Empty where a publisher matches, or nobody knows better.
    """
    name = type_name(kind)
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        others = _topics_of(node, name, topic)
        elsewhere = f"; {name} is published on {', '.join(others)}: remap to one of them" if others else ""
        return f"nobody publishes there{elsewhere}"
    right = [entry for entry in publishers if entry.topic_type == name]
    if not right:
        types = ", ".join(sorted({entry.topic_type for entry in publishers}))
        remedy = next(
            (words for (came, asked), words in _OTHER_TRANSPORT.items() if asked == name and came in types.split(", ")),
            "remap to another topic",
        )
        return f"what is published there is {types}, but this node takes {name}: {remedy}"
    verdicts = [qos_check_compatible(entry.qos_profile, wanted) for entry in right]
    if all(verdict == QoSCompatibility.ERROR for verdict, _ in verdicts):
        return f"the publisher's quality of service does not fit this node's: {verdicts[0][1].strip().rstrip(';')}"
    return ""


def cause(node: Node, topic: str, kind: Any, wanted: QoSProfile) -> str:
    """Say all that is known of why nothing comes on a topic: `obstacle`, and a clock that publishers may wait for."""
    return "; ".join(filter(None, (obstacle(node, topic, kind, wanted), clock_missing(node))))


def _topics_of(node: Node, name: str, but: str) -> list[str]:
    """Name a few topics of a type that somebody else publishes."""
    own = {topic for topic, _ in node.get_publisher_names_and_types_by_node(node.get_name(), node.get_namespace())}
    topics = [topic for topic, types in node.get_topic_names_and_types() if name in types and topic != but]
    published = [topic for topic in topics if topic not in own and node.count_publishers(topic)]
    return [*published[:_NAMED], *(["..."] if len(published) > _NAMED else [])]
