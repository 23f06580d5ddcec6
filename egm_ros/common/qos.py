"""Turns an entry of the interface table into a QoS profile."""

from __future__ import annotations

from rclpy.qos import QoSDurabilityPolicy, QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy

from egm_ros.interface.topic import Topic


def profile(topic: Topic) -> QoSProfile:
    """Make a fresh profile for a topic; rclpy writes overrides into the one that it is given."""
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=topic.depth,
        reliability=QoSReliabilityPolicy.RELIABLE if topic.reliable else QoSReliabilityPolicy.BEST_EFFORT,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL if topic.latched else QoSDurabilityPolicy.VOLATILE,
    )
