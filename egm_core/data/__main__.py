"""The verb `data`, as `python -m egm_core.data ...`; see `egm_core.command.data`."""

from __future__ import annotations

import sys

from egm_core.command.entry import as_module
from egm_core.console import finish

PROG = "python -m egm_core.data"


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; gives the exit status."""
    return as_module("data", PROG, arguments)


if __name__ == "__main__":
    sys.exit(finish(main))
