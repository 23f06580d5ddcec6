"""What a run trains on: its data, read once, checked, and written as tables that all of its processes share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from egm_core.sample import Sample
from egm_core.train.configuration import ConfigurationError
from egm_core.train.data.check import Checking, check_data
from egm_core.train.data.held_out import FOLDER as HELD_OUT
from egm_core.train.data.held_out import check_held_out
from egm_core.train.data.table import read_table, write_table

Rows = Callable[[Iterable[Sample]], Iterator[dict[str, Any]]]


def prepare_tables(folder: Path, config: Any, checking: Checking, rows: Rows, features: dict[str, Any]) -> int:
    """Check a run's data, write what `rows` makes of it into the run's folder, and give the number of rows.

    What is held out gets a table of its own. Raises ConfigurationError where the check refuses the data.
    """
    if not config.data:
        raise ConfigurationError("data is empty; give sample files, such as data=[runs/samples/samples.jsonl]")
    found = check_data(folder, checking)
    found.say()
    if config.held_out:
        held_out = check_held_out(folder, config, checking, found)
        write_table(folder / HELD_OUT, rows(held_out.samples), features)
    return write_table(folder, rows(found.samples), features)


def prepared(folder: Path, config: Any) -> tuple[Any, Any]:
    """Give the tables of a prepared run: what it learns from, and what is held out, or None."""
    return read_table(folder), read_table(folder / HELD_OUT) if config.held_out else None
