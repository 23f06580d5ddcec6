"""The verb `scenes`, as `python -m egm_core.scenes ...`; see `egm_core.command.scenes`."""

from __future__ import annotations

import sys

from egm_core.command.entry import as_module
from egm_core.console import finish

PROG = "python -m egm_core.scenes"


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; gives the exit status."""
    return as_module("scenes", PROG, arguments)


if __name__ == "__main__":
    sys.exit(finish(main))
