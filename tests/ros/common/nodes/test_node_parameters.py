"""What ROS is told about each parameter."""

import pytest

pytest.importorskip("rclpy", reason="no ROS 2")

import rclpy
from rclpy.node import Node

from egm_ros.common.nodes.parameters import declare, descriptor
from egm_ros.interface.settings import GROUNDING

pytestmark = pytest.mark.ros


@pytest.mark.parametrize("spec", GROUNDING, ids=lambda spec: spec.name)
def test_a_descriptor_says_what_the_table_says(spec):
    made = descriptor(spec)
    assert made.description == spec.description
    assert made.read_only != spec.live
    ranges = [(limits.from_value, limits.to_value) for limits in [*made.floating_point_range, *made.integer_range]]
    assert ranges == ([spec.range] if spec.range else [])
    assert all(choice in made.additional_constraints for choice in spec.choices)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("max_rate:=99.0", "max_rate: 99.0 is outside 0 to 30 Hz; write it as in -p max_rate:=2.0"),
        ("max_batch:=0", "max_batch: 0 is outside 1 to 64; write it as in -p max_batch:=1"),
        ("max_rate:=often", "max_rate: 'often' is not of type float, as in 2.0; write it as in -p max_rate:=2.0"),
        ("transport:=smoke", "transport: 'smoke' is none of raw, compressed, ffmpeg; write it as in -p transport:=raw"),
    ],
)
def test_a_value_that_is_refused_at_the_start_is_named_with_its_range_and_the_remedy(given, said):
    context = rclpy.Context()
    rclpy.init(args=["--ros-args", "-p", given], context=context)
    node = Node("grounding", context=context)
    try:
        with pytest.raises(ValueError) as refused:
            declare(node, GROUNDING)
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
    assert str(refused.value) == said
