"""Declares a table of parameters on a node: descriptors with ranges, validation, live changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from egm_ros.common.nodes.usage import written
from egm_ros.interface.parameter import ParameterSpec, unknown
from egm_ros.interface.tables import EVERY, owners


def descriptor(spec: ParameterSpec) -> ParameterDescriptor:
    """Describe a parameter to ROS: `ros2 param describe` shows its meaning, range and whether it is live."""
    description = ParameterDescriptor(description=spec.description, read_only=not spec.live)
    if spec.choices:
        description.additional_constraints = f"one of {spec.constraint}"
    if spec.range is not None and isinstance(spec.default, float):
        low, high = spec.range
        description.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    elif spec.range is not None:
        low, high = spec.range
        description.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    return description


def declare(node: Node, table: Sequence[ParameterSpec]) -> dict[str, Any]:
    """Declare every parameter of a table and return the values; raise ValueError that names a bad override."""
    values: dict[str, Any] = {}
    for spec in table:
        default = list(spec.default) if isinstance(spec.default, tuple) else spec.default
        try:
            value = node.declare_parameter(spec.name, default, descriptor(spec)).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            # rclpy names neither the unit nor the way out.
            given = node._parameter_overrides[spec.name].value
            raise ValueError(remedied(spec, spec.problem(given) or str(error))) from error
        problem = spec.problem(value)
        if problem:
            raise ValueError(remedied(spec, problem))
        values[spec.name] = value
    _refuse_strange(node, table)
    return values


def remedied(spec: ParameterSpec, problem: str) -> str:
    """Add to what is wrong with a parameter how it is written, with its default."""
    return f"{problem}; write it as in -p {spec.name}:={written(spec.default)}"


def _refuse_strange(node: Node, table: Sequence[ParameterSpec]) -> None:
    """Raise ValueError for a value that no node of this package takes; rclpy would ignore it without a word.

    One that is another node's may stand in a file for all nodes, and is only mentioned.
    """
    given: Iterable[str] = node._parameter_overrides
    strange = unknown(given, (*table, *EVERY))
    if strange:
        raise ValueError("; ".join(strange))
    for name in given:
        if unknown([name], table):
            node.get_logger().info(f"{name} is a parameter of {', '.join(owners(name))}, and does nothing here")


def watch(
    node: Node,
    table: Iterable[ParameterSpec],
    check: Callable[[dict[str, Any]], str],
    apply: Callable[[dict[str, Any]], None],
) -> None:
    """Validate changes of a node's parameters and apply them once they are set.

    `check` gets the changed names of the table with their new values, and says what is wrong with them together
    (empty: nothing); `apply` gets them afterwards.
    """
    specs = {spec.name: spec for spec in table}

    def changes(parameters: list[Parameter]) -> dict[str, Any]:
        return {parameter.name: parameter.value for parameter in parameters if parameter.name in specs}

    def validate(parameters: list[Parameter]) -> SetParametersResult:
        changed = changes(parameters)
        reason = next(filter(None, (specs[name].problem(value) for name, value in changed.items())), "")
        reason = reason or (check(changed) if changed else "")
        if changed and not reason and not hasattr(node, "add_post_set_parameters_callback"):
            apply(changed)
        return SetParametersResult(successful=not reason, reason=reason)

    def applied(parameters: list[Parameter]) -> None:
        changed = changes(parameters)
        if changed:
            apply(changed)

    def widen(parameters: list[Parameter]) -> list[Parameter]:
        return [
            Parameter(parameter.name, value=float(parameter.value))
            if parameter.type_ == Parameter.Type.INTEGER
            and parameter.name in specs
            and isinstance(specs[parameter.name].default, float)
            else parameter
            for parameter in parameters
        ]

    node.add_on_set_parameters_callback(validate)
    # ROS 2 Humble has neither of these two.
    if hasattr(node, "add_pre_set_parameters_callback"):
        node.add_pre_set_parameters_callback(widen)
    if hasattr(node, "add_post_set_parameters_callback"):
        node.add_post_set_parameters_callback(applied)
