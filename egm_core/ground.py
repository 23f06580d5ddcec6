"""Grounds an instruction in a picture, and prints the answer as JSON; the verb is `egm_core.command.ground`.

    python -m egm_core.ground IMAGE "the red mug" [--model egm_tiny] [--amodal-model FOLDER] [--draw out.png]
                              [--engine-url http://HOST:PORT [--family qwen3_vl]] [--no-reasoning] [--force-amodal]

Boxes are [x0, y0, x1, y1] in pixels of the picture. Exit status: 0 for found and absent, 1 where no answer came, 2
for a call that is wrong.
"""

from __future__ import annotations

import sys

from egm_core.command.entry import as_module
from egm_core.console import finish

PROG = "python -m egm_core.ground"


def main(arguments: list[str] | None = None) -> int:
    """Ground once and print the answer as JSON; gives the exit status."""
    return as_module("ground", PROG, arguments, as_json=True)


if __name__ == "__main__":
    sys.exit(finish(main))
