"""A run's rows (prompt, completion, image file) as one arrow file, mapped into memory and shared by all processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from egm_core.pictures.source import read

FILE = "rows.arrow"
TEXTS = ("prompt", "completion", "image")
SLICE = 4096


def write_table(folder: Path, rows: Iterable[dict[str, str]], lengths: Callable[[list[str]], list[int]]) -> int:
    """Write rows into the run's folder and give their number; `lengths` counts the tokens of texts.

    Nothing but a slice of the rows is held in memory. The file appears when it is complete.
    """
    import pyarrow as pa

    schema = pa.schema([*((name, pa.string()) for name in TEXTS), ("length", pa.int32())])
    part = folder / (FILE + ".part")
    count, left = 0, iter(rows)
    with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        while batch := list(islice(left, SLICE)):
            columns: dict[str, list[Any]] = {name: [row[name] for row in batch] for name in TEXTS}
            columns["length"] = lengths([row["prompt"] + row["completion"] for row in batch])
            writer.write_table(pa.table(columns, schema))
            count += len(batch)
    os.replace(part, folder / FILE)
    return count


def read_table(folder: Path) -> Any:
    """Map a run's rows into memory as a `datasets.Dataset`; an image is decoded when its row is drawn."""
    from datasets import Dataset

    return with_pictures(Dataset.from_file(str(folder / FILE)))


def with_pictures(dataset: Any) -> Any:
    """Let a data set's `image` files be read when a row is drawn, by the reader that all stages share."""
    return dataset.with_transform(_read_pictures)


def _read_pictures(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    from PIL import Image

    if "image" not in rows:
        return rows
    return {**rows, "image": [Image.fromarray(read(file, trusted=True)) for file in rows["image"]]}
