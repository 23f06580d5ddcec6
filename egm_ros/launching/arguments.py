"""The arguments of the launch files: declared from one table, read as text, and refused where nobody knows them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration

from egm_core.arguments import meant
from egm_ros.common.nodes.usage import written
from egm_ros.interface.parameter import ParameterSpec
from egm_ros.interface.tables import owners

BOOLEAN = ("true", "false", "True", "False")
# Arguments of `ros2 launch` itself, which it hands on beside the file's.
RESERVED = ("launch-prefix", "launch-prefix-filter")
LAUNCH_FILE = re.compile(r"[^:]*[._]launch\.(py|xml|ya?ml)")
TOPIC = re.compile(r"(~/|/)?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*")
NAMESPACE = re.compile(r"/|/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*/?")


@dataclass(frozen=True)
class Argument:
    """A launch argument: its name, meaning and default, and what it may be (nothing: any text)."""

    name: str
    description: str
    default: Any = ""
    choices: tuple[str, ...] = ()

    def declare(self) -> DeclareLaunchArgument:
        """Make it known to `ros2 launch`."""
        choices = list(self.choices) or None
        return DeclareLaunchArgument(
            self.name, default_value=self.default, description=self.description, choices=choices
        )


def parameter(spec: ParameterSpec) -> Argument:
    """Make the argument for a parameter of its name; without it the parameter file holds."""
    limits = f" ({spec.constraint})" if spec.constraint else ""
    choices = ("", *spec.choices) if spec.choices else ("", *BOOLEAN) if isinstance(spec.default, bool) else ()
    default = f"as in params_file, else {written(spec.default)}"
    return Argument(spec.name, f"{spec.description}{limits} Not given: {default}.", choices=choices)


def typed(spec: ParameterSpec, text: str) -> Any:
    """Read a parameter's value from an argument's text; raise ValueError that names what is wrong with it."""
    value: Any = text
    try:
        if isinstance(spec.default, bool):
            value = truth(text)
        elif isinstance(spec.default, (int, float)):
            value = type(spec.default)(text)
        elif isinstance(spec.default, tuple):
            value = listed(text)
    except ValueError:
        raise ValueError(f"{spec.name}: {text!r} is not of type {type(spec.default).__name__}") from None
    problem = spec.problem(value)
    if problem:
        raise ValueError(problem)
    return value


def truth(text: str) -> bool:
    """Read true or false, however it is written."""
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def listed(text: str) -> list[str]:
    """Read a list of names: front,left, or as in YAML ['front', 'left']."""
    return [word.strip(" '\"") for word in text.strip(" []").split(",") if word.strip(" '\"")]


def given(context: LaunchContext, arguments: Sequence[Argument], file: str) -> dict[str, str]:
    """Give every argument's text; raise ValueError for names on the command line that are no argument of the file.

    Where another launch file includes this one, the command line is that file's.
    """
    known = [argument.name for argument in arguments]
    if _launched(file):
        names = (word.partition(":=")[0] for word in context.argv if ":=" in word)
        strange = [_stranger(name, known) for name in names if name not in (*known, *RESERVED)]
        if strange:
            raise ValueError("; ".join(strange))
    return {name: LaunchConfiguration(name).perform(context) for name in known}


def topic_name(name: str, text: str) -> str:
    """Check a topic's name, as it was given for an argument."""
    if not TOPIC.fullmatch(text):
        raise ValueError(f"{name}: {text!r} is no name of a topic: letters, digits and underscores between slashes")
    return text


def namespace_name(text: str) -> str:
    """Check the namespace; gives it without slashes at its ends."""
    if text and not NAMESPACE.fullmatch(text):
        raise ValueError(f"namespace: {text!r} is no namespace: letters, digits and underscores between slashes")
    return text.strip("/")


def _launched(file: str) -> bool:
    """Say whether the command line is for this file, rather than for one that includes it."""
    words = sys.argv[1:]
    places = [index for index, word in enumerate(words) if LAUNCH_FILE.fullmatch(word)]
    return not places or any(_is(file, words[index], words[index - 1] if index else "") for index in places)


def _is(file: str, word: str, package: str) -> bool:
    """Say whether `ros2 launch [package] word` names a file of this package."""
    if Path(word).is_file():
        return Path(word).samefile(file)
    return package == "egm_ros" and Path(word).name == Path(file).name


def _stranger(name: str, known: Iterable[str]) -> str:
    hosts = owners(name)
    if hosts:
        return f"{name}: no argument of this launch file, but a parameter of {', '.join(hosts)}: set it in params_file"
    return f"{name}: no argument of this launch file{meant(name, known)} (--show-args lists them)"
