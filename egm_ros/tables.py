"""Writes the tables of topics, services and parameters into the README, from the code that uses them.

    python -m egm_ros.tables [--write] README.md

Each table stands between `<!-- table NAME -->` and `<!-- end NAME -->`. Without --write nothing is changed, and the
exit status is 1 if a table is out of date. Nothing here needs ROS.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from egm_core.console import finish
from egm_ros.interface import camera as camera_interface
from egm_ros.interface import grounding as interface
from egm_ros.interface import lifting as lifting_interface
from egm_ros.interface import overlay as overlay_interface
from egm_ros.interface import propagation as propagation_interface
from egm_ros.interface import settings as parameters
from egm_ros.interface.parameter import ParameterSpec, Value
from egm_ros.interface.topic import Service, Topic


def topics(table: Iterable[Topic]) -> str:
    """Make the Markdown table of topics."""
    rows = [
        (
            "subscribes" if topic.direction == "in" else "publishes",
            f"`{topic.name}`",
            topic.type.replace("/msg/", "/"),
            topic.quality,
            topic.description,
        )
        for topic in table
    ]
    return markdown(("", "Topic", "Type", "Quality of service", "Meaning"), rows)


def services(table: Iterable[Service]) -> str:
    """Make the Markdown table of services."""
    rows = [(f"`{entry.name}`", entry.type.replace("/srv/", "/"), entry.description) for entry in table]
    return markdown(("Service", "Type", "Meaning"), rows)


def settings(table: Iterable[ParameterSpec]) -> str:
    """Make the Markdown table of parameters."""
    rows = [
        (
            f"`{spec.name}`",
            f"`{literal(spec.default)}`",
            spec.constraint,
            "yes" if spec.live else "",
            spec.description,
        )
        for spec in table
    ]
    return markdown(("Parameter", "Default", "Allowed", "Live", "Meaning"), rows)


def keys(table: dict[str, str]) -> str:
    """Make the Markdown table of the status's keys."""
    return markdown(("Key", "Meaning"), [(f"`{name}`", meaning) for name, meaning in table.items()])


def literal(value: Value) -> str:
    """Write a default as a parameter file would."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(f"'{entry}'" for entry in value) + "]"
    return f"'{value}'" if isinstance(value, str) else str(value)


def markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Lay out a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def tables() -> dict[str, str]:
    """Make every table, by name."""
    return {
        "grounding topics": topics(interface.TOPICS),
        "grounding services": services(interface.SERVICES),
        "grounding parameters": settings(parameters.GROUNDING),
        "status keys": keys(interface.STATUS_KEYS),
        "camera topics": topics(camera_interface.CAMERA_TOPICS),
        "camera parameters": settings(camera_interface.CAMERA_PARAMETERS),
        "propagation topics": topics(propagation_interface.PROPAGATION_TOPICS),
        "propagation parameters": settings(propagation_interface.PROPAGATION_PARAMETERS),
        "propagation status keys": keys(propagation_interface.PROPAGATION_KEYS),
        "lifting topics": topics(lifting_interface.LIFTING_TOPICS),
        "lifting parameters": settings(lifting_interface.LIFTING_PARAMETERS),
        "lifting status keys": keys(lifting_interface.LIFTING_KEYS),
        "overlay topics": topics(overlay_interface.OVERLAY_TOPICS),
        "overlay parameters": settings(overlay_interface.OVERLAY_PARAMETERS),
    }


def updated(text: str) -> str:
    """Put the current tables into a text; raise ValueError for a marker without a table or without an end."""
    made = tables()
    for name in re.findall(r"<!-- table (.+?) -->", text):
        if name not in made:
            raise ValueError(f"there is no table {name!r}; there are {', '.join(made)}")
        begin, end = f"<!-- table {name} -->", f"<!-- end {name} -->"
        if end not in text:
            raise ValueError(f"the table {name!r} has no {end!r}")
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        text = f"{before}{begin}\n{made[name]}\n{end}{after}"
    return text


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m egm_ros.tables", description="Keeps the README's tables current.")
    parser.add_argument("file", type=Path, help="Markdown file with table markers")
    parser.add_argument("--write", action="store_true", help="bring the file up to date")
    options = parser.parse_args(arguments)
    text = options.file.read_text()
    current = updated(text)
    if options.write:
        options.file.write_text(current)
    elif current != text:
        print(f"{options.file} is out of date: run make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(finish(main))
