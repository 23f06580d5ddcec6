"""A run's rows as one arrow file: the first process writes it, all map it into memory, none reads the data again."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from egm_core.pictures.source import read

FILE = "rows.arrow"


def write_table(folder: Path, rows: Iterable[dict[str, Any]], features: dict[str, Any]) -> int:
    """Write rows into a folder and give their number; `features` are those of `datasets`, by column.

    Nothing but some rows is held in memory. The file appears when it is complete.
    """
    from datasets import Features
    from datasets.arrow_writer import ArrowWriter

    part = folder / (FILE + ".part")
    with ArrowWriter(path=str(part), features=Features(features)) as writer:
        for row in rows:
            writer.write(row)
        count, _ = writer.finalize()
    os.replace(part, folder / FILE)
    return int(count)


def read_table(folder: Path) -> Any:
    """Map rows into memory as a `datasets.Dataset`, their pictures as files."""
    from datasets import Dataset

    return Dataset.from_file(str(folder / FILE))


def with_pictures(dataset: Any) -> Any:
    """Let a data set's `image` files be read when a row is drawn, by the reader that all stages share."""
    return dataset.with_transform(_read_pictures)


def _read_pictures(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    from PIL import Image

    if "image" not in rows:
        return rows
    return {**rows, "image": [Image.fromarray(read(file, trusted=True)) for file in rows["image"]]}
