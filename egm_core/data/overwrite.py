"""Refuses to write over what is there, which may be a data set or a photograph of somebody's."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from egm_core.data.readers.kind import DataError


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Give a parser the option that says that files may be lost."""
    parser.add_argument("--overwrite", action="store_true", help="write over files that are there (default: refuse)")


def refuse(paths: Iterable[Path], overwrite: bool) -> None:
    """Raise DataError, naming it, where a file to write is there already and must be kept."""
    there = next((path for path in paths if path.exists()), None)
    if there is not None and not overwrite:
        raise DataError(f"{there} is there already; give another name, or --overwrite to lose what it holds")
