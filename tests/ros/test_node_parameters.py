"""What ROS is told about each parameter."""

import pytest

pytest.importorskip("rclpy", reason="no ROS 2")

from egm_ros.node_parameters import descriptor
from egm_ros.parameters import GROUNDING

pytestmark = pytest.mark.ros


@pytest.mark.parametrize("spec", GROUNDING, ids=lambda spec: spec.name)
def test_a_descriptor_says_what_the_table_says(spec):
    made = descriptor(spec)
    assert made.description == spec.description
    assert made.read_only != spec.live
    ranges = [(limits.from_value, limits.to_value) for limits in [*made.floating_point_range, *made.integer_range]]
    assert ranges == ([spec.range] if spec.range else [])
    assert all(choice in made.additional_constraints for choice in spec.choices)
