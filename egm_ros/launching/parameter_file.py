"""Reads a ROS parameter file as the nodes will: which values it has for a node, and what in it no node knows.

rcl itself ignores a name that no node declares, and a section that names no node.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from egm_ros.interface.parameter import unknown
from egm_ros.interface.tables import EVERY, TABLES

PARAMETERS = "ros__parameters"
# Of a node's name in a section: one token, any number of them.
WILD = {"*": "/[^/]+", "**": "(?:/[^/]+)*"}


@dataclass(frozen=True)
class ParameterFile:
    """A parameter file: its path, and its sections as (name of the nodes, values), in the file's order."""

    path: str
    sections: tuple[tuple[str, dict[str, Any]], ...]

    @classmethod
    def read(cls, path: str) -> ParameterFile:
        """Read a file; raise ValueError in one line where it is missing, or is no parameter file of known names."""
        file = Path(path).expanduser()
        try:
            content = yaml.safe_load(file.read_text())
        except OSError as error:
            raise ValueError(f"params_file: {path}: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"params_file: {path} is not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(content, dict):
            raise ValueError(f"params_file: {path} has no section such as /**/grounding: {{{PARAMETERS}: ...}}")
        read = cls(str(file), tuple(_sections(path, "", content)))
        strange = [problem for name, values in read.sections for problem in _strange(name, values)]
        if strange:
            raise ValueError(f"params_file: {path}: {'; '.join(strange)}")
        return read

    def of(self, node: str) -> dict[str, Any]:
        """Give the values for a node by its full name, such as /robot/grounding; later sections hold."""
        found: dict[str, Any] = {}
        for name, values in self.sections:
            if _matches(name, node):
                found |= values
        return found

    def require(self, nodes: Iterable[str]) -> None:
        """Raise ValueError where no section is for any of these nodes."""
        names = list(nodes)
        if not any(_matches(name, node) for name, _ in self.sections for node in names):
            about = ", ".join(name for name, _ in self.sections) or "no node"
            raise ValueError(f"params_file: {self.path} is about {about}; the nodes here are {', '.join(names)}")


def _sections(path: str, outer: str, content: Mapping[Any, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, inner in content.items():
        name = f"{outer}/{str(key).strip('/')}"
        if not isinstance(inner, dict) or not inner:
            raise ValueError(f"params_file: {path}: {name} holds no {PARAMETERS}")
        if PARAMETERS in inner:
            yield name, dict(_flat("", inner[PARAMETERS] or {}))
        nested = {word: value for word, value in inner.items() if word != PARAMETERS}
        if nested:
            yield from _sections(path, name, nested)


def _flat(outer: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """List values by their full names: nested ones are joined by dots."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(f"{outer}{name}.", value)
        else:
            yield f"{outer}{name}", value


def _matches(pattern: str, node: str) -> bool:
    tokens = pattern.strip("/").split("/")
    return re.fullmatch("".join(WILD.get(token, f"/{re.escape(token)}") for token in tokens), node) is not None


def _strange(section: str, values: Mapping[str, Any]) -> list[str]:
    """Name what no node of this package knows, in a section for one of them or for all nodes."""
    last = section.rpartition("/")[2]
    table = TABLES.get(last, EVERY if last in WILD else None)
    return [f"{section}: {problem}" for problem in unknown(values, table)] if table is not None else []
