"""The verb `serve`, as `python -m egm_core.serve ...`; see `egm_core.command.serve`."""

from __future__ import annotations

import sys

from egm_core.command.entry import as_module
from egm_core.console import finish

PROG = "python -m egm_core.serve"


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; gives the exit status."""
    return as_module("serve", PROG, arguments)


if __name__ == "__main__":
    sys.exit(finish(main))
