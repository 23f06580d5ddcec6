"""The verb `curate`, as `python -m egm_core.curate ...`; see `egm_core.command.curate`."""

from __future__ import annotations

import sys

from egm_core.command.entry import as_module
from egm_core.console import finish

PROG = "python -m egm_core.curate"


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; gives the exit status."""
    return as_module("curate", PROG, arguments)


if __name__ == "__main__":
    sys.exit(finish(main))
