"""What the command lines of the demonstration and of recordings have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from egm_core import notes
from egm_core.arguments import COUNT, Parser
from egm_core.models.folder import resolve
from egm_ros.demo import stage
from egm_ros.demo.processes import concluded
from egm_ros.demo.stage import Shown

WORLDS = ("tabletop", "street")
# So long may the engine take until it is ready (seconds).
START_SECONDS = 90.0


def add_options(parser: Parser, verb: str, instructions: int) -> None:
    """Add the options that both have; `verb` says in their help what is done with a world."""
    parser.add_argument("--model", default="egm_tiny", help="model folder, or egm_tiny for the embedded model")
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=WORLDS, help=f"which of them to {verb}")
    parser.add_argument(
        "--instructions", type=COUNT, default=instructions, help="how many to ask at most in each world"
    )
    notes.add_options(parser)


def conducted(
    parser: Parser, arguments: list[str] | None, act: Callable[[argparse.Namespace, list[Shown]], None]
) -> int:
    """Read the command line, act on the worlds that it names, and give the exit status."""
    options = parser.parse_args(arguments)
    notes.begin(options)

    def begin() -> None:
        resolve(options.model)
        act(options, (stage.live_scenes if options.live else stage.kept_clips)(options.worlds))

    return concluded(begin)
