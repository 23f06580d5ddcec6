"""The verb `train`, as `python -m egm_core.train ...`; see `egm_core.command.train`."""

from __future__ import annotations

import sys

from egm_core.command.entry import as_module
from egm_core.console import finish

PROG = "python -m egm_core.train"


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; gives the exit status."""
    return as_module("train", PROG, arguments)


if __name__ == "__main__":
    sys.exit(finish(main))
