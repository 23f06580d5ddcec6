"""The base of every node: tables become parameters and topics, and a clock that stands still stops no timer."""

from __future__ import annotations

import importlib

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String

from egm_ros.common.nodes.base import BaseNode
from egm_ros.interface import grounding as interface
from egm_ros.interface.tables import NAMES, TABLES

pytestmark = pytest.mark.ros


class Plain(BaseNode):
    """A node of its base alone, with the tables of the grounding node."""

    NODE = "grounding"


@pytest.fixture
def node(domain):
    context = rclpy.Context()
    rclpy.init(args=["--ros-args", "-p", "use_sim_time:=true"], context=context, domain_id=domain)
    made = Plain(context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize("name", TABLES)
def test_every_node_is_made_of_it(name):
    module = importlib.import_module(f"egm_ros.{name}.node")
    made = [entry for entry in vars(module).values() if isinstance(entry, type) and issubclass(entry, Node)]
    own = [kind for kind in made if kind.__module__ == module.__name__]
    assert [(kind.NODE, issubclass(kind, BaseNode)) for kind in own] == [(name, True)] and NAMES[name]


def test_its_parameters_are_those_of_its_table(node):
    assert node.get_name() == "grounding"
    assert all(node.get_parameter(spec.name).value is not None for spec in TABLES["grounding"])


def test_topics_have_the_quality_of_service_of_their_table(node):
    topic = interface.INSTRUCTION_ACTIVE
    offered = node.open_publisher(String, topic).qos_profile
    assert (offered.depth, offered.reliability) == (topic.depth, QoSReliabilityPolicy.RELIABLE)
    assert offered.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL
    asked = node.open_subscription(Image, interface.IMAGE, print, "left")
    assert asked.topic_name == "/left/image" and asked.qos_profile.reliability == QoSReliabilityPolicy.BEST_EFFORT


def test_a_timer_runs_where_the_clock_of_ros_stands_still(node):
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    seen = []
    node.every(0.01, lambda: seen.append(node.get_clock().now().nanoseconds))
    for _ in range(100):
        if seen:
            break
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    assert seen[0] == 0


def test_what_goes_wrong_in_a_callback_ends_a_node_unless_it_says_otherwise(node):
    with pytest.raises(KeyError):
        node.survive(KeyError("lost"))
