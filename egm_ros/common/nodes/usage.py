"""Answers --help, and refuses arguments that a node would otherwise ignore, before anything is started."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

from rclpy.utilities import remove_ros_args

from egm_core.console import finish
from egm_ros.interface.parameter import ParameterSpec, Value

_WIDTH = 96


def answered(doc: str, parameters: Sequence[ParameterSpec], arguments: Sequence[str] | None) -> int | None:
    """Give the exit status where the arguments ask for help or are none of a node's; None where the node shall run.

    `doc` is the module's docstring, which ends in a command to copy; `arguments` are those after the program's name.
    """
    given = list(sys.argv if arguments is None else ["node", *arguments])
    try:
        words = remove_ros_args(args=given)[1:]
    except RuntimeError as error:  # all of rclpy's errors are
        print(f"the arguments after --ros-args cannot be read: {_plainly(error)}", file=sys.stderr)
        return 2
    if any(word in ("-h", "--help") for word in words):
        return finish(lambda: print(usage(doc, parameters)))
    if words:
        print(
            f"{words[0]!r} is no argument of a node; parameters and remappings come after --ros-args, such as "
            "--ros-args -p name:=value -r image:=/camera/image (--help lists the parameters)",
            file=sys.stderr,
        )
        return 2
    return None


def usage(doc: str, parameters: Sequence[ParameterSpec]) -> str:
    """Write the help of a node: what it does, how to start it, and every parameter with its default and limits."""
    lines = [doc.strip(), "", "Parameters (-p name:=value after --ros-args, or a file with --params-file):", ""]
    for spec in parameters:
        limits = f" ({spec.constraint})" if spec.constraint else ""
        live = ", may change while it runs" if spec.live else ""
        lines.append(f"  {spec.name}:={written(spec.default)}{limits}{live}")
        lines += _wrapped(spec.description)
    lines += ["", "Remap topics with -r name:=other. Topics and services are listed by `ros2 node info`."]
    return "\n".join(lines)


def written(value: Value) -> str:
    """Write a parameter's value as the command line takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(f"'{entry}'" for entry in value) + "]"
    return f"'{value}'" if value == "" else str(value)


def _plainly(error: RuntimeError) -> str:
    """Give rcl's words for a bad argument, without the places in its sources."""
    text = str(error).removeprefix("Failed to parse ROS arguments: ").split(", at /")[0]
    return " ".join(text.replace("Error: error not set", "").split())


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="      ", subsequent_indent="      ")
