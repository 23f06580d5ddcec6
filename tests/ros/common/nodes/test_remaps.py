"""Remapping rules that rename nothing are said, with the name that was meant; those that do are not."""

from __future__ import annotations

import pytest

from egm_ros.common.nodes.remaps import without_effect
from egm_ros.interface.tables import NAMES

pytestmark = pytest.mark.ros


def said(kind: str, *arguments: str, node: str = "", namespace: str = "/") -> list[str]:
    return without_effect(arguments, node or kind, namespace, NAMES[kind])


@pytest.mark.parametrize(
    ("kind", "rule", "near"),
    [
        ("grounding", "imag:=/camera/image", "image"),
        ("grounding", "instructions:=/talk", "instruction"),
        ("grounding", "grounding/visibel:=/boxes", "visible"),
        ("grounding", "/imag:=/camera/image", "image"),
        ("grounding", "~/amodel:=/boxes", "~/amodal"),
        ("grounding", "~/ground:=/find", "~/ground"),
        ("grounding", "~/ground/_action/send_gaol:=/find", "~/ground/_action/send_goal"),
        ("lifting", "depht:=/camera/depth", "depth"),
        ("lifting", "grounding:imag:=/x", ""),
        ("overlay", "picture:=/camera/image", "image"),
        ("camera", "image_raw:=/x", "image"),
        ("propagation", "image/compressed:=/x", "image"),
    ],
)
def test_a_rule_that_renames_nothing_is_said(kind: str, rule: str, near: str) -> None:
    if not near:  # it is another node's
        assert said(kind, "--ros-args", "-r", rule) == []
        return
    for flag in ("-r", "--remap"):
        (line,) = said(kind, "--ros-args", flag, rule)
        assert f"the remapping {rule} renames nothing" in line
        assert near in line.split("; ")[-1]


@pytest.mark.parametrize(
    ("kind", "rule", "namespace"),
    [
        ("grounding", "image:=/camera/image", "/"),
        ("grounding", "/robot/image:=/camera/image", "/robot"),
        ("grounding", "left/image:=/cam/left", "/"),
        ("grounding", "~/left/visible:=/boxes", "/"),
        ("grounding", "grounding/visible:=/boxes", "/"),
        ("grounding", "rostopic://image:=/camera/image", "/"),
        ("grounding", "grounding:image:=/camera/image", "/"),
        ("grounding", "~/ground_once:=/ask", "/"),
        ("grounding", "~/ground/_action/send_goal:=/find/_action/send_goal", "/"),
        ("grounding", "/diagnostics:=/health", "/robot"),
        ("grounding", "__node:=eye", "/"),
        ("grounding", "__ns:=/robot", "/"),
        ("lifting", "/tf:=tf", "/robot"),
        ("camera", "image/compressed:=/x", "/"),
        ("overlay", "~/get_parameters:=/x", "/"),
    ],
)
def test_a_rule_that_renames_something_is_not(kind: str, rule: str, namespace: str) -> None:
    assert said(kind, "--ros-args", "-r", rule, namespace=namespace) == []


def test_only_rules_among_ros_arguments_count() -> None:
    assert said("camera") == []
    assert said("camera", "--ros-args", "-r") == []
    assert said("camera", "-r", "imag:=/x") == []
    assert said("camera", "--ros-args", "-p", "imag:=3", "--", "-r", "imag:=/x") == []
    assert len(said("camera", "--ros-args", "-r", "imag:=/x", "-r", "image:=/y", "-r", "tiefe:=/z")) == 2


def test_a_renamed_node_is_known_by_its_name() -> None:
    arguments = ("--ros-args", "-r", "__node:=eye", "-r", "eye/image:=/x", "-r", "overlay/image:=/x")
    (line,) = said("overlay", *arguments, node="eye")
    assert "overlay/image" in line
