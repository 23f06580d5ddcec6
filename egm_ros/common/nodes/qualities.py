"""Finds overrides of quality of service that no topic of a node takes: rclpy ignores them without a word."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

PREFIX = "qos_overrides."
# What ROS lets be set of a topic unless its node says otherwise.
POLICIES = ("history", "depth", "reliability")
_PARTS = re.compile(r"qos_overrides\.(/.+)\.(publisher|subscription)\.(\w+)")
# rclpy's own, in every node.
_EVERY_NODE = ("/parameter_events", "/clock")


def without_effect(given: Iterable[str], ends: Callable[[], Collection[tuple[str, str]]]) -> list[str]:
    """Say which parameters set the quality of service of nothing, each with what could be set.

    `ends` gives a node's topics by their full names, each with `publisher` or `subscription`.
    """
    said = []
    for name in given:
        found = _PARTS.fullmatch(name)
        if not name.startswith(PREFIX) or (found and found[1] in _EVERY_NODE):
            continue
        there = ends()
        if found is None or (found[1], found[2]) not in there:
            topics = ", ".join(sorted(f"{topic}.{end}" for topic, end in there))
            said.append(f"{name} does nothing here: this node has {topics}, each with {', '.join(POLICIES)}")
        elif found[3] not in POLICIES:
            said.append(f"{name} does nothing here: of a topic, {', '.join(POLICIES)} can be set")
    return said
