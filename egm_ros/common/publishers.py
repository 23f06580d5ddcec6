"""Says why nothing comes on a topic: nobody publishes there, or what is published is of another type or quality."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node, NodeNameNonExistentError
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

from egm_ros.common.streams.stamps import clock_missing
from egm_ros.interface.tables import NAMES
from egm_ros.interface.topic import Topic

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
VIDEO = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
# What to do where an image of the other kind comes.
_OTHER_TRANSPORT = {
    (COMPRESSED, IMAGE): "set transport:=compressed",
    (IMAGE, COMPRESSED): "set transport:=raw",
    (VIDEO, IMAGE): "set transport:=ffmpeg",
    (VIDEO, COMPRESSED): "set transport:=ffmpeg",
    (IMAGE, VIDEO): "set transport:=raw",
    (COMPRESSED, VIDEO): "set transport:=compressed",
}
_NAMED = 3
_PICTURES = (IMAGE, COMPRESSED)
# Nodes of this package that only give on what they got: their pictures are no camera's, and to follow them is a loop.
_FOLLOWERS = {
    name: [topic for topic in table if isinstance(topic, Topic) and topic.direction == "out"]
    for name, table in NAMES.items()
    if name != "camera"
}
# What every ROS node may publish.
_EVERYONES = ("/rosout", "/parameter_events", "/diagnostics")


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


def _from_elsewhere(node: Node, name: str, topic: str) -> bool:
    """Tell whether somebody publishes a topic that may be followed."""
    nodes = {(entry.node_name, entry.node_namespace) for entry in node.get_publishers_info_by_topic(topic)}
    if name not in _PICTURES:
        return bool(nodes)
    return any(not _follower(node, *who) for who in nodes)


def _follower(node: Node, name: str, namespace: str) -> bool:
    """Tell a node of ours that follows others: by its name, and where that was changed by what it publishes."""
    if name in _FOLLOWERS:
        return True
    # DDS tells of an end before it tells of its node, which has no name until then, and no namespace to ask with.
    if not namespace.startswith("/"):
        return False
    try:
        entries = node.get_publisher_names_and_types_by_node(name, namespace)
    except NodeNameNonExistentError:
        return False
    own = f"{namespace.rstrip('/')}/{name}"
    published = {topic for topic, _ in entries if topic not in (*_EVERYONES, f"{own}/transition_event")}
    tables = [
        {topic.name.replace("~", own): topic.asked for topic in table if topic.name not in _EVERYONES}
        for table in _FOLLOWERS.values()
    ]
    return any({topic for topic, asked in table.items() if not asked} <= published <= table.keys() for table in tables)


def _topics_of(node: Node, name: str, but: str) -> list[str]:
    """Name a few topics of a type that somebody else publishes; of pictures, none that a node of ours has drawn."""
    own = {topic for topic, _ in node.get_publisher_names_and_types_by_node(node.get_name(), node.get_namespace())}
    topics = [topic for topic, types in node.get_topic_names_and_types() if name in types and topic != but]
    published = [topic for topic in topics if topic not in own and _from_elsewhere(node, name, topic)]
    # Of several, one that is called as the missing one comes first.
    last = but.rpartition("/")[2]
    published.sort(key=lambda topic: topic.rpartition("/")[2] != last)
    return [*published[:_NAMED], *(["..."] if len(published) > _NAMED else [])]
