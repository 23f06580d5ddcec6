"""The verb `evaluate`, as `python -m egm_core.evaluate ...`; see `egm_core.command.evaluate`."""

from __future__ import annotations

import sys

from egm_core.command.entry import as_module
from egm_core.console import finish

PROG = "python -m egm_core.evaluate"


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; gives the exit status."""
    return as_module("evaluate", PROG, arguments)


if __name__ == "__main__":
    sys.exit(finish(main))
