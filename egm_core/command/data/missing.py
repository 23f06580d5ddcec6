"""The option that says how many pictures may be missing."""

from __future__ import annotations

from argparse import ArgumentParser

from egm_core.arguments import number
from egm_core.data.convert import MISSING_SHARE


def add_missing_share(parser: ArgumentParser, kept: str) -> None:
    """Let a command's user say what share of the images may be missing; `kept` is what of them is written."""
    parser.add_argument(
        "--missing-share",
        type=number(0, 1),
        default=MISSING_SHARE,
        help=f"share of the images that may be missing; their {kept} are kept",
    )
