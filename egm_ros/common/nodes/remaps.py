"""Finds remapping rules that rename nothing: rclpy takes a misspelt name without a word."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator, Sequence

from egm_ros.interface.topic import Action, Service, Topic

_FLAGS = ("-r", "--remap")
# What rclpy itself gives every node, or listens to.
_EVERY_NODE = (
    "rosout",
    "parameter_events",
    "clock",
    "tf",
    "tf_static",
    "diagnostics",
    "~/get_parameters",
    "~/set_parameters",
    "~/set_parameters_atomically",
    "~/list_parameters",
    "~/describe_parameters",
    "~/get_parameter_types",
    "~/get_type_description",
    "~/transition_event",
    "~/change_state",
    "~/get_state",
    "~/get_available_states",
    "~/get_available_transitions",
    "~/get_transition_graph",
)


def without_effect(
    arguments: Sequence[str] | None, node: str, namespace: str, names: Sequence[Topic | Service | Action]
) -> list[str]:
    """Say which rules of a command line name no topic and no service of a node, each with the nearest that is one.

    `arguments` are those after the program's name (None: the process's own), `node` and `namespace` as ROS has them.
    """
    parts = [entry.parts if isinstance(entry, Action) else (entry.name,) for entry in names]
    own = [*(name for part in parts for name in part), *_EVERY_NODE]
    return [
        _said(rule, source, own)
        for rule, source in _rules(sys.argv[1:] if arguments is None else arguments, node)
        if not any(_fits(source, name, node, namespace) for name in own)
    ]


def _rules(arguments: Sequence[str], node: str) -> Iterator[tuple[str, str]]:
    """Give the rules that rename topics or services of this node, each with the name that it renames."""
    within = False
    for number, flag in enumerate(arguments):
        rule = arguments[number + 1] if number + 1 < len(arguments) else ""
        within = flag == "--ros-args" or (within and flag != "--")
        source, arrow, _ = rule.partition(":=")
        if not within or flag not in _FLAGS or not arrow:
            continue
        owner, colon, rest = source.partition(":")
        if colon and not rest.startswith("//"):  # rostopic://name is a name, too
            if owner != node:
                continue
            source = rest
        source = re.sub("^(rostopic|rosservice)://", "", source)
        if not source.startswith("__"):
            yield rule, source


def _fits(source: str, name: str, node: str, namespace: str) -> bool:
    """Tell whether a rule's source is this name, in whatever way ROS writes it."""
    prefix = namespace.rstrip("/")
    written = source.replace("~", f"{prefix}/{node}", 1) if source.startswith("~") else source
    full = written if written.startswith("/") else f"{prefix}/{written}"
    own = name.replace("~", node, 1) if name.startswith("~") else name
    places = [own] if own.startswith("/") else [f"{prefix}/{own}", *([f"/{own}"] if name in _EVERY_NODE else [])]
    return any(re.fullmatch(re.escape(place).replace(re.escape("<cam>/"), "([^/]+/)?"), full) for place in places)


def _said(rule: str, source: str, own: Sequence[str]) -> str:
    plain = [name.replace("<cam>/", "") for name in own]
    near = difflib.get_close_matches(source.lstrip("/"), plain, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"this node has {', '.join(plain[: len(own) - len(_EVERY_NODE)])}"
    return f"the remapping {rule} renames nothing, for this node has no topic or service {source}; {remedy}"
