"""The option that states under which licence data are, where no name of theirs says it."""

from __future__ import annotations

import argparse


def add_licence(parser: argparse.ArgumentParser) -> None:
    """Give a parser the option."""
    parser.add_argument(
        "--licence",
        default="",
        help="licence of the data, for every record (default: that of the data set whose name the files or their "
        "folders have; none is recorded of other data)",
    )
