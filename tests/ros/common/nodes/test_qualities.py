"""Overrides of quality of service: those that do something do it in silence, the others are named."""

from __future__ import annotations

import pytest
import rclpy
from rclpy.qos import QoSReliabilityPolicy

from egm_ros.common.nodes.qualities import without_effect
from egm_ros.overlay.node import OverlayNode

pytestmark = pytest.mark.ros

ENDS = {("/left/image", "subscription"), ("/overlay/image", "publisher")}


def test_a_topic_s_quality_of_service_can_be_set_and_nothing_is_said_of_that(capfd, domain):
    values = {"reliability": "best_effort", "depth": 7}
    given = [w for name, value in values.items() for w in ("-p", f"qos_overrides./drawn.publisher.{name}:={value}")]
    strange = ("-p", "qos_overrides./nowhere.publisher.depth:=3", "-r", "overlay/image:=/drawn")
    context = rclpy.Context()
    rclpy.init(args=["--ros-args", *given, *strange], context=context, domain_id=domain)
    node = OverlayNode(context=context)
    try:
        assert node.begin()
        (offered,) = [each.qos_profile for each in node.publishers if each.topic_name == "/drawn"]
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
    assert (offered.depth, offered.reliability) == (7, QoSReliabilityPolicy.BEST_EFFORT)
    said = capfd.readouterr().err
    assert said.count("does nothing here") == 1 and "qos_overrides./nowhere.publisher.depth does nothing here" in said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "qos_overrides./overlay/image.subscription.depth",
            "this node has /left/image.subscription, /overlay/image",
        ),
        ("qos_overrides./image.subscription.depth", "this node has"),
        ("qos_overrides.overlay/image.publisher.depth", "this node has"),
        ("qos_overrides./overlay/image.publisher.durability", "of a topic, history, depth, reliability can be set"),
    ],
)
def test_what_sets_nothing_is_said_with_what_could_be_set(name, words):
    (said,) = without_effect([name], lambda: ENDS)
    assert said.startswith(f"{name} does nothing here: {words}")


@pytest.mark.parametrize(
    "name",
    ["max_rate", "qos_overrides./left/image.subscription.reliability", "qos_overrides./clock.subscription.depth"],
)
def test_what_sets_something_is_left_in_peace(name):
    assert not without_effect([name], lambda: ENDS)
