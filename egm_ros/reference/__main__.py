"""Writes the pages of docs/reference from the code that they are about.

    python -m egm_ros.reference [--check] [docs/reference]

With --check nothing is changed, and the exit status is 1 where a page is out of date. A ROS 2 is needed, or its
wheels: two commands are there only with it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from egm_core.console import finish
from egm_ros.reference.commands import commands
from egm_ros.reference.engines import engines
from egm_ros.reference.nodes import NODES
from egm_ros.reference.presets import presets
from egm_ros.reference.stages import TITLES, stage_page


def pages() -> dict[str, str]:
    """Make every page, by its file's name."""
    made = {f"{node.name}.md": node.page() for node in NODES}
    made["commands.md"] = commands()
    made["engines.md"] = engines()
    made["presets.md"] = presets()
    made |= {f"settings_{stage}.md": stage_page(stage) for stage in TITLES}
    return made


def outdated(folder: Path) -> list[str]:
    """Name the pages in a folder that are not as the code would write them."""
    return [
        name for name, text in pages().items() if not (folder / name).is_file() or (folder / name).read_text() != text
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m egm_ros.reference", description="Writes the reference pages.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs/reference"), help="where the pages lie")
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 if a page is out of date")
    options = parser.parse_args(arguments)
    late = outdated(options.folder)
    if options.check and late:
        print(f"out of date, run make docs: {', '.join(late)}", file=sys.stderr)
        return 1
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in late:
        (options.folder / name).write_text(pages()[name])
        print(options.folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(finish(main))
